cwlVersion: v1.2
class: CommandLineTool
requirements: {ResourceRequirement: {coresMin: 4096}}
baseCommand: "true"
inputs: {}
outputs: {}
