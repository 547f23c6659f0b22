//! Templates: workflows that are there already, as data. A template is a folder, or a ConfigMap with the
//! label, with `template.yaml` and the document that it names.

pub mod watch;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::coerce;
use super::document::Document;
use super::fault::Fault;
use crate::cwl;
use crate::words::{list, show};

/// Label of ConfigMaps that are templates; its value is `true`.
pub const LABEL: &str = "dvre.io/template";
/// The file that describes a template.
const DESCRIPTION: &str = "template.yaml";
/// What a document names where the image of the template belongs.
const IMAGE: &str = "template-image";

/// A template.
#[derive(Clone, Debug)]
pub struct Template {
    /// What `template.yaml` says.
    pub about: About,
    /// The document.
    pub cwl: Map<String, Value>,
    /// Reference of the image that it runs in.
    pub image: Option<String>,
}

/// What `template.yaml` says.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its name, by which a submission asks for it.
    pub name: String,
    /// What it does, in a sentence or two.
    pub description: String,
    /// Which image the run needs: a name that the gateway's settings give a reference, or a reference.
    #[serde(default)]
    pub image: Option<String>,
    /// The file with the document.
    pub cwl: String,
    /// Its outputs, for people.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Its settings.
    #[serde(default)]
    pub config: Option<Config>,
}

/// The settings of a template: one File input gets them as JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of that input.
    pub input: String,
    /// What holds where nothing is said.
    #[serde(default)]
    pub defaults: Map<String, Value>,
    /// Other names of a setting.
    #[serde(default)]
    pub aliases: BTreeMap<String, Vec<String>>,
    /// What a setting may be.
    #[serde(default)]
    pub choices: BTreeMap<String, Vec<String>>,
}

impl Template {
    /// Reads a template from its files. `images` are the references by name.
    pub fn read(
        files: &BTreeMap<String, String>,
        images: &[(String, String)],
    ) -> Result<Self, String> {
        let file = |name: &str| {
            files
                .get(name)
                .ok_or_else(|| format!("there is no file {name}"))
        };
        let about: About = serde_yaml::from_str(file(DESCRIPTION)?)
            .map_err(|error| format!("{DESCRIPTION}: {error}"))?;
        let text = file(&about.cwl)?;
        let document =
            cwl::read_document(&about.cwl, text).map_err(|problem| problem.to_string())?;
        let image = match &about.image {
            None => None,
            Some(name) => {
                let mut named = images.iter().filter(|(known, _)| known == name);
                let reference = named.next().map(|(_, image)| image.clone());
                let reference = reference.or_else(|| name.contains('/').then(|| name.clone()));
                Some(reference.ok_or_else(|| {
                    format!("{DESCRIPTION}: image {name}: give it with --template-image {name}=REFERENCE")
                })?)
            }
        };
        let mut template = Self {
            about,
            cwl: document,
            image,
        };
        let image = template.image.clone();
        for value in template.cwl.values_mut() {
            fill(value, image.as_deref());
        }
        let document = Value::Object(template.cwl.clone()).to_string();
        cwl::load(
            &BTreeMap::from([("main.cwl".to_owned(), document)]),
            "main.cwl",
        )
        .map_err(|problem| format!("{}: {problem}", template.about.cwl))?;
        Ok(template)
    }

    /// The document of a submission.
    #[must_use]
    pub fn document(&self) -> Document {
        Document {
            cwl: self.cwl.clone(),
            problem: None,
            learns: true,
        }
    }

    /// The inputs of a submission: what was sent, with the settings of `al_config` below those of the inputs
    /// themselves.
    pub fn inputs(
        &self,
        mut sent: Map<String, Value>,
        al_config: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Fault> {
        let Some(config) = &self.about.config else {
            return Ok(sent);
        };
        let own = match sent.get(&config.input) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(own)) if !own.contains_key("class") => own.clone(),
            // A file of one's own, whatever is in it.
            Some(_) => return Ok(sent),
        };
        let mut settings = config.defaults.clone();
        for layer in [al_config, &own] {
            settings.extend(config.named(layer)?);
        }
        let file = coerce::literal(&format!("{}.json", config.input), &settings);
        sent.insert(config.input.clone(), file);
        Ok(sent)
    }
}

impl Config {
    /// Settings under their own names.
    fn named(&self, sent: &Map<String, Value>) -> Result<Map<String, Value>, Fault> {
        let mut named = Map::new();
        for (key, value) in sent {
            let mut aliases = self.aliases.iter();
            let own = aliases.find(|(_, others)| others.contains(key));
            let own = own.map_or(key, |(own, _)| own);
            // The own name wins over others.
            if own != key && sent.contains_key(own) {
                continue;
            }
            if let (Some(choices), Some(text)) = (self.choices.get(own), value.as_str())
                && !choices.iter().any(|choice| choice == text)
            {
                return Err(Fault::bad(format!(
                    "{key}: {} is unknown; choose one of {}",
                    show(text),
                    list(choices)
                )));
            }
            named.insert(own.clone(), value.clone());
        }
        Ok(named)
    }
}

/// Puts the image where the document asks for it; without one, what asks for it is left out.
fn fill(value: &mut Value, image: Option<&str>) {
    match value {
        Value::Object(object) => {
            if let Some(pull) = object.get_mut("dockerPull")
                && pull == IMAGE
                && let Some(image) = image
            {
                *pull = Value::String(image.to_owned());
            }
            object.values_mut().for_each(|value| fill(value, image));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| fill(value, image)),
        _ => {}
    }
}

/// Templates by name.
pub type Templates = BTreeMap<String, Template>;

/// What a setting may be, in any of the templates.
#[must_use]
pub fn choices<'a>(templates: &'a Templates, setting: &str) -> Vec<&'a str> {
    let configs = templates.values().filter_map(|it| it.about.config.as_ref());
    let choices = configs.filter_map(|config| config.choices.get(setting));
    let mut found = Vec::new();
    for choice in choices.flatten() {
        if !found.contains(&choice.as_str()) {
            found.push(choice.as_str());
        }
    }
    found
}

/// Reads the templates of a folder, a folder each. One that cannot be read is an error: whoever runs the
/// gateway shall see it at once.
pub fn read_folder(folder: &Path, images: &[(String, String)]) -> Result<Templates, String> {
    let at = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut templates = Templates::new();
    let folders = std::fs::read_dir(folder).map_err(|error| at(folder, &error))?;
    for entry in folders {
        let path = entry.map_err(|error| at(folder, &error))?.path();
        if !path.join(DESCRIPTION).is_file() {
            continue;
        }
        let mut files = BTreeMap::new();
        for file in std::fs::read_dir(&path).map_err(|error| at(&path, &error))? {
            let file = file.map_err(|error| at(&path, &error))?.path();
            let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if file.is_file() {
                let text = std::fs::read_to_string(&file).map_err(|error| at(&file, &error))?;
                files.insert(name.to_owned(), text);
            }
        }
        let template = Template::read(&files, images).map_err(|error| at(&path, &error))?;
        templates.insert(template.about.name.clone(), template);
    }
    Ok(templates)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ABOUT: &str = "
name: train
description: Trains.
image: sklearn
cwl: train.cwl
outputs: [model]
config:
  input: config
  defaults: {query_strategy: uncertainty_sampling, query_budget: 10}
  aliases: {query_budget: [labelingBudget, n_queries], query_strategy: [queryStrategy]}
  choices: {query_strategy: [uncertainty_sampling, random_sampling]}
";
    const TOOL: &str = "
cwlVersion: v1.2
class: CommandLineTool
baseCommand: 'true'
hints: {DockerRequirement: {dockerPull: template-image}}
inputs: {config: File?, labeled_data: File?}
outputs: {}
";

    fn read(about: &str, images: &[(&str, &str)]) -> Result<Template, String> {
        let files = [("template.yaml", about), ("train.cwl", TOOL)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let images: Vec<_> = images
            .iter()
            .map(|(name, image)| ((*name).to_owned(), (*image).to_owned()))
            .collect();
        Template::read(&files.into(), &images)
    }

    fn settings(inputs: &Value, al_config: &Value) -> Result<Value, Fault> {
        let template = read(ABOUT, &[("sklearn", "example/learn:1")]).unwrap();
        let object = |value: &Value| value.as_object().unwrap().clone();
        let inputs = template.inputs(object(inputs), &object(al_config))?;
        let text = inputs["config"]["contents"].as_str().unwrap();
        Ok(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn settings_come_from_the_template_then_the_project_then_the_inputs() {
        let config = settings(
            &json!({"config": {"query_budget": 3}}),
            &json!({"queryStrategy": "random_sampling", "n_queries": 7, "extra": 1}),
        );
        let expected = json!({"query_strategy": "random_sampling", "query_budget": 3, "extra": 1});
        assert_eq!(config.unwrap(), expected);
        let config = settings(&json!({}), &json!({"labelingBudget": 5, "query_budget": 6}));
        assert_eq!(config.unwrap()["query_budget"], 6);
    }

    #[test]
    fn a_choice_that_is_none_is_refused_with_those_there_are() {
        let fault = settings(&json!({}), &json!({"queryStrategy": "psychic"})).unwrap_err();
        assert!(
            fault
                .message
                .contains("uncertainty_sampling, random_sampling")
        );
    }

    #[test]
    fn the_image_stands_where_the_document_asks_for_it() {
        let template = read(ABOUT, &[("sklearn", "example/learn:1")]).unwrap();
        let hint = &template.cwl["hints"]["DockerRequirement"]["dockerPull"];
        assert_eq!(hint, "example/learn:1");
        assert!(
            read(ABOUT, &[])
                .unwrap_err()
                .contains("--template-image sklearn=")
        );
    }

    #[test]
    fn a_template_that_is_wrong_says_where() {
        let wrong = |from: &str, to: &str| {
            read(&ABOUT.replace(from, to), &[("sklearn", "x/y")]).unwrap_err()
        };
        assert!(wrong("name: train", "nme: train").contains("template.yaml"));
        assert!(wrong("train.cwl", "other.cwl").contains("no file other.cwl"));
    }

    #[test]
    fn the_templates_that_come_along_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let images = [("sklearn".to_owned(), "example/learn:1".to_owned())];
        let templates = read_folder(&folder, &images).unwrap();
        assert_eq!(
            templates.keys().collect::<Vec<_>>(),
            ["modal_run", "train_query"]
        );
        for template in templates.values() {
            assert!(template.cwl.contains_key("cwlVersion"));
            assert_eq!(template.image.as_deref(), Some("example/learn:1"));
            let document = Value::Object(template.cwl.clone()).to_string();
            assert!(
                document.contains("example/learn:1"),
                "{}",
                template.about.name
            );
        }
    }
}
