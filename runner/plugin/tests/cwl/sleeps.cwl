cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sleep, "60"]
inputs: {}
outputs: {}
