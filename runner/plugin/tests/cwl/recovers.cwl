cwlVersion: v1.2
class: Workflow
inputs: {folder: string, succeeds: int}
outputs: {output: {type: File, outputSource: moody/output}}
steps:
  steady:
    in: {folder: folder}
    out: [output]
    run:
      class: CommandLineTool
      baseCommand: [sh, -c, 'echo once >>"$0/steady"; echo data']
      inputs: {folder: {type: string, inputBinding: {position: 1}}}
      outputs: {output: {type: stdout}}
      stdout: data.txt
  moody:
    in: {folder: folder, succeeds: succeeds, data: steady/output}
    out: [output]
    run:
      class: CommandLineTool
      baseCommand:
      - sh
      - -c
      - 'echo once >>"$0/moody"; [ "$(wc -l <"$0/moody")" -ge "$1" ] || exit 3; cat "$2"'
      inputs:
        folder: {type: string, inputBinding: {position: 1}}
        succeeds: {type: int, inputBinding: {position: 2}}
        data: {type: File, inputBinding: {position: 3}}
      outputs: {output: {type: stdout}}
      stdout: result.txt
