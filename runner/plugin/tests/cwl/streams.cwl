cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, 'echo result; echo warning >&2; exit "$0"']
inputs: {code: {type: int, inputBinding: {position: 1}}}
outputs:
  output: {type: stdout}
  errors: {type: stderr}
  all: {type: 'File[]', outputBinding: {glob: '*'}}
stdout: result.txt
stderr: errors.txt
