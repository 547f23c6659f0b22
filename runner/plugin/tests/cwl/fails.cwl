cwlVersion: v1.2
class: Workflow
inputs: {code: int}
outputs: {output: {type: File, outputSource: after/output}}
steps:
  before:
    in: {code: code}
    out: [output]
    run:
      class: CommandLineTool
      baseCommand: [sh, -c, 'echo a result; echo "no such gene" >&2; exit "$0"']
      inputs: {code: {type: int, inputBinding: {position: 1}}}
      outputs: {output: {type: stdout}}
      stdout: result.txt
  after:
    in: {data: before/output}
    out: [output]
    run:
      class: CommandLineTool
      baseCommand: cat
      inputs: {data: {type: File, inputBinding: {position: 1}}}
      outputs: {output: {type: stdout}}
