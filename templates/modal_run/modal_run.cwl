cwlVersion: v1.2
class: CommandLineTool
label: A round of active learning
doc: |
  Trains a model on all that is labelled, says how good it is, and chooses which samples are to be labelled
  next. Without data it is about scikit-learn's digits.
hints:
  DockerRequirement: {dockerPull: template-image}
  ResourceRequirement: {coresMin: 0.1, ramMin: 256}
baseCommand: dvre-learn
inputs:
  labeled_data:
    type: File?
    doc: Labelled samples, CSV or npy. The last column is the label, unless labeled_labels has them.
    inputBinding: {position: 1, prefix: --labeled_data}
  labeled_labels:
    type: File?
    doc: Labels of labeled_data, CSV (the last column) or npy.
    inputBinding: {position: 2, prefix: --labeled_labels}
  unlabeled_data:
    type: File?
    doc: The pool, CSV or npy. It stays the same in all rounds; query_indices are places in it, from 0.
    inputBinding: {position: 3, prefix: --unlabeled_data}
  config:
    type: File?
    doc: Settings, a JSON object.
    inputBinding: {position: 4, prefix: --config}
  model_in:
    type: File?
    doc: model_out of the round before. It is judged too, and chooses when nothing is labelled.
    inputBinding: {position: 5, prefix: --model_in}
  query_labels:
    type: File[]?
    doc: |
      Labels found for samples of the pool in all rounds before, a file for each round or one for all: JSON, a
      list of {original_index, final_label}, or CSV with these columns. A sample without a label (null) is
      not asked about again.
    inputBinding: {position: 6, prefix: --query_labels}
  test_data:
    type: File?
    doc: Samples that the model is judged by. Without them, a part of the labelled ones (validation_split).
    inputBinding: {position: 7, prefix: --test_data}
  test_labels:
    type: File?
    doc: Labels of test_data, unless its last column has them.
    inputBinding: {position: 8, prefix: --test_labels}
  iteration:
    type: int?
    doc: Number of the round. Without it, one more than files in query_labels.
    inputBinding: {position: 9, prefix: --iteration}
outputs:
  model_out:
    type: File
    doc: The model, in the skops format.
    outputBinding: {glob: model_out.skops}
  query_indices:
    type: File
    doc: Places in unlabeled_data of the samples to label next, the most wanted first (npy).
    outputBinding: {glob: query_indices.npy}
  query_samples:
    type: File
    doc: The same as JSON, a list of {original_index, uncertainty, predicted_label}.
    outputBinding: {glob: query_samples.json}
  metrics:
    type: File
    doc: What is known of the round and its model, a JSON object of less than 1 KiB.
    outputBinding: {glob: metrics.json}
