//! CWL documents and input objects: mostly of the right form, with anything in single places.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::words::{anything, name, number, object, seldom};

/// A document, of the form that `cwl` in a spec has.
pub fn document() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => tool(),
        6 => workflow().prop_map(|run| if run.is_object() { run } else { json!({ "run": run }) }),
        2 => graph(),
        2 => object(name(), anything()),
        1 => nested(),
        1 => large(),
    ]
}

/// An input object.
pub fn inputs() -> impl Strategy<Value = Value> {
    let file = (select(vec!["File", "Directory"]), name(), anything()).prop_map(
        |(class, location, more)| json!({"class": class, "location": location, "secondaryFiles": [more]}),
    );
    let value =
        prop_oneof![2 => name().prop_map(Value::from), 2 => number(), 2 => file, 1 => anything()];
    let added = requirements().prop_map(|added| json!({ "cwl:requirements": added }));
    prop_oneof![8 => object(name(), value), 1 => added]
}

fn version() -> impl Strategy<Value = Value> {
    prop_oneof![
        12 => select(vec!["v1.0", "v1.1", "v1.2"]).prop_map(Value::from),
        1 => anything(),
    ]
}

fn kind() -> impl Strategy<Value = Value> {
    let plain = select(vec![
        "string",
        "int",
        "long",
        "float",
        "double",
        "boolean",
        "File",
        "Directory",
        "Any",
        "null",
        "stdin",
        "stdout",
        "string?",
        "File[]",
        "string[]?",
        "#a",
        "int[][]",
    ]);
    let plain = prop_oneof![12 => plain.prop_map(Value::from), 1 => anything()];
    plain.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items})),
            (name(), vec((name(), inner), 0..3)).prop_map(|(name, fields)| {
                let fields: Vec<Value> = fields
                    .into_iter()
                    .map(|(name, kind)| json!({"name": name, "type": kind}))
                    .collect();
                json!({"type": "record", "name": name, "fields": fields})
            }),
            vec(name(), 0..3).prop_map(|symbols| json!({"type": "enum", "symbols": symbols})),
        ]
    })
}

/// Parameters, as a list or a map, with whatever fields.
fn parameters(more: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    let one = (
        name(),
        kind(),
        seldom(3, (name(), anything())),
        seldom(3, more),
    );
    let all = vec(one, 0..4);
    (all, any::<bool>())
        .prop_map(|(all, as_map)| {
            let entries = all.into_iter().map(|(id, kind, field, more)| {
                let mut entry = Map::from_iter([("type".to_owned(), kind)]);
                entry.extend(field);
                if let Some(Value::Object(more)) = more {
                    entry.extend(more);
                }
                (id, entry)
            });
            if as_map {
                Value::Object(
                    entries
                        .map(|(id, entry)| (id, Value::Object(entry)))
                        .collect(),
                )
            } else {
                let entries = entries.map(|(id, mut entry)| {
                    entry.insert("id".to_owned(), Value::from(id));
                    Value::Object(entry)
                });
                Value::Array(entries.collect())
            }
        })
        .boxed()
}

fn requirement() -> impl Strategy<Value = Value> {
    let class = select(vec![
        "CUDARequirement",
        "DockerRequirement",
        "EnvVarRequirement",
        "InitialWorkDirRequirement",
        "InlineJavascriptRequirement",
        "InplaceUpdateRequirement",
        "LoadListingRequirement",
        "MultipleInputFeatureRequirement",
        "NetworkAccess",
        "ResourceRequirement",
        "ScatterFeatureRequirement",
        "SchemaDefRequirement",
        "ShellCommandRequirement",
        "SoftwareRequirement",
        "StepInputExpressionRequirement",
        "SubworkflowFeatureRequirement",
        "ToolTimeLimit",
        "WorkReuse",
        "Nonsense",
        "cwltool:CUDARequirement",
        "arv:RunInContainer",
    ]);
    let field = select(vec![
        "dockerPull",
        "dockerOutputDirectory",
        "dockerLoad",
        "ramMin",
        "ramMax",
        "coresMin",
        "coresMax",
        "tmpdirMin",
        "outdirMin",
        "envDef",
        "listing",
        "types",
        "packages",
        "networkAccess",
        "timelimit",
        "cudaDeviceCountMin",
    ]);
    let value = prop_oneof![2 => number(), 2 => name().prop_map(Value::from), 1 => anything()];
    (class, vec((field, value), 0..3)).prop_map(|(class, fields)| {
        let mut requirement = json!({ "class": class });
        for (key, value) in fields {
            requirement[key] = value;
        }
        requirement
    })
}

fn requirements() -> BoxedStrategy<Value> {
    prop_oneof![8 => vec(requirement(), 0..3).prop_map(Value::from), 1 => anything()].boxed()
}

fn tool() -> BoxedStrategy<Value> {
    let class = prop_oneof![
        10 => Just("CommandLineTool"), 1 => Just("ExpressionTool"), 1 => Just("Operation"), 1 => Just("Tool"),
    ];
    (
        version(),
        class,
        parameters(object(Just("inputBinding".to_owned()), anything())),
        parameters(object(Just("outputBinding".to_owned()), anything())),
        seldom(3, requirements()),
        seldom(2, requirements()),
        seldom(2, (name(), anything())),
    )
        .prop_map(|(version, class, inputs, outputs, requirements, hints, field)| {
            let mut tool = json!({
                "cwlVersion": version, "class": class, "baseCommand": "true", "inputs": inputs, "outputs": outputs,
            });
            put(&mut tool, "requirements", requirements);
            put(&mut tool, "hints", hints);
            if let Some((key, value)) = field {
                tool[key] = value;
            }
            tool
        })
        .boxed()
}

fn put(object: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        object[key] = value;
    }
}

/// Sources are names of anything, so that there are loops, holes and steps that feed themselves.
fn source() -> impl Strategy<Value = Value> {
    let one = prop_oneof![
        4 => select(vec!["a", "b", "c", "a/output", "b/output", "c/out", "message"]).prop_map(Value::from),
        1 => name().prop_map(Value::from),
    ];
    prop_oneof![
        3 => one.clone(),
        1 => vec(one.clone(), 0..3).prop_map(Value::from),
        2 => (one, name()).prop_map(|(source, from)| json!({"source": source, "valueFrom": from, "default": from})),
    ]
}

fn step(run: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    (
        run,
        object(name(), source()),
        vec(
            prop_oneof![4 => Just("output".to_owned()), 1 => name()],
            0..3,
        ),
        seldom(2, vec(name(), 0..3)),
        seldom(2, anything()),
        seldom(2, requirements()),
    )
        .prop_map(|(run, inputs, outputs, scatter, when, requirements)| {
            let mut step = json!({"run": run, "in": inputs, "out": outputs});
            put(&mut step, "scatter", scatter.map(Value::from));
            put(&mut step, "when", when);
            put(&mut step, "requirements", requirements);
            step
        })
}

fn workflow() -> BoxedStrategy<Value> {
    let run = prop_oneof![4 => tool(), 1 => name().prop_map(Value::from), 1 => anything()];
    run.prop_recursive(3, 12, 4, |inner| {
        let steps = vec((prop_oneof![4 => select(vec!["a", "b", "c"]).prop_map(str::to_owned), 1 => name()], step(inner)), 0..5);
        (
            version(),
            steps,
            parameters(anything()),
            parameters(object(Just("outputSource".to_owned()), source())),
            seldom(3, requirements()),
        )
            .prop_map(|(version, steps, inputs, outputs, requirements)| {
                let steps: Map<String, Value> = steps.into_iter().collect();
                let mut workflow = json!({
                    "cwlVersion": version, "class": "Workflow", "inputs": inputs, "outputs": outputs, "steps": steps,
                });
                put(&mut workflow, "requirements", requirements);
                workflow
            })
    })
    .boxed()
}

/// Several processes in one document, of which some run each other.
fn graph() -> impl Strategy<Value = Value> {
    let named = (
        prop_oneof![3 => select(vec!["main", "#main", "a", "#a"]).prop_map(str::to_owned), 1 => name()],
        prop_oneof![tool(), workflow()],
    );
    (version(), vec(named, 0..4)).prop_map(|(version, processes)| {
        let processes: Vec<Value> = processes
            .into_iter()
            .map(|(id, mut process)| {
                if let Some(process) = process.as_object_mut() {
                    process.insert("id".to_owned(), Value::from(id));
                }
                process
            })
            .collect();
        json!({"cwlVersion": version, "$graph": processes})
    })
}

/// Nested deeper than anybody would write; a hundred and more is beyond what parsers of JSON read.
fn nested() -> impl Strategy<Value = Value> {
    (
        tool(),
        2_usize..110,
        select(vec!["x", "run", "items", "fields"]),
    )
        .prop_map(|(mut tool, depth, key)| {
            let deep = (0..depth).fold(json!({}), |inner, _| json!({ key: inner }));
            tool["inputs"] = json!({"a": {"type": deep}});
            tool
        })
}

/// Of great size or number.
fn large() -> impl Strategy<Value = Value> {
    (tool(), 100_usize..1500, any::<bool>()).prop_map(|(tool, count, steps)| {
        if steps {
            let step = |n: usize| (format!("s{n}"), json!({"run": "#a", "in": {"a": format!("s{}/output", n + 1)}, "out": ["output"]}));
            let steps: Map<String, Value> = (0..count).map(step).collect();
            return json!({"cwlVersion": "v1.2", "class": "Workflow", "inputs": {}, "outputs": {}, "steps": steps});
        }
        let mut tool = tool;
        tool["doc"] = Value::from("é".repeat(count * 300));
        tool
    })
}
