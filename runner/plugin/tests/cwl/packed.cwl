cwlVersion: v1.0
$graph:
- id: say
  class: CommandLineTool
  baseCommand: echo
  inputs: {message: {type: string, inputBinding: {position: 1}}}
  outputs: {output: {type: stdout}}
- id: twice
  class: Workflow
  inputs: {message: string}
  outputs: {output: {type: File, outputSource: second/output}}
  steps:
    first: {run: '#say', in: {message: message}, out: [output]}
    second: {run: '#say', in: {message: message}, out: [output]}
