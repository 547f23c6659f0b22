cwlVersion: v1.2
class: Workflow
inputs: {message: string}
outputs: {output: {type: 'File?', outputSource: say/output}}
steps:
  say:
    run: echo.cwl
    when: $(inputs.message == "never")
    in: {message: message}
    out: [output]
requirements: {InlineJavascriptRequirement: {}}
