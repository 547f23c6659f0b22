cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, 'echo result; echo warning >&2; exit "$0"']
inputs: {code: {type: int, inputBinding: {position: 1}}}
outputs:
  output: {type: stdout}
  all: {type: 'File[]', outputBinding: {glob: ['*', '.*rr*']}}
stdout: result.txt
