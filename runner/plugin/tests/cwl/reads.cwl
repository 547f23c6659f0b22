cwlVersion: v1.2
class: CommandLineTool
baseCommand: cat
inputs: {data: {type: File, inputBinding: {position: 1}}}
outputs: {output: {type: stdout}}
