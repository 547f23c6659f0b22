cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {words: 'string[]'}
outputs: {files: {type: 'File[]', outputSource: say/output}}
steps:
  say:
    run: echo.cwl
    scatter: message
    in: {message: words}
    out: [output]
