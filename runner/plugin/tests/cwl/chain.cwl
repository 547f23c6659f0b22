cwlVersion: v1.2
class: Workflow
inputs: {data: File}
outputs: {count: {type: File, outputSource: count/output}}
steps:
  sort:
    in: {data: data}
    out: [output]
    run:
      class: CommandLineTool
      baseCommand: sort
      inputs: {data: {type: File, inputBinding: {position: 1}}}
      outputs: {output: {type: stdout}}
      stdout: sorted.txt
  unique:
    in: {data: sort/output}
    out: [output]
    run:
      class: CommandLineTool
      baseCommand: uniq
      inputs: {data: {type: File, inputBinding: {position: 1}}}
      outputs: {output: {type: stdout}}
      stdout: unique.txt
  count:
    in: {data: unique/output}
    out: [output]
    run:
      class: CommandLineTool
      baseCommand: [wc, -l]
      inputs: {data: File}
      outputs: {output: {type: stdout}}
      stdin: $(inputs.data.path)
      stdout: count.txt
