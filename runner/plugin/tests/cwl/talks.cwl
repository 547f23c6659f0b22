cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, 'echo progress; echo trouble >&2; exit "$0"']
inputs: {code: {type: int, inputBinding: {position: 1}}}
outputs: {}
