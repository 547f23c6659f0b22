//! Files about StreamFlow that the operator reads: its own configuration for all runs, and the schema.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use crate::streamflow_file::{Document, Schema};

/// A `streamflow.yml` for every run that brings none of its own, read when the operator starts.
#[derive(Clone, Debug)]
pub struct ConfigFile(Arc<Document>);

impl FromStr for ConfigFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let document = Document::read(&text).map_err(|problem| format!("{path}: {problem}"))?;
        Ok(Self(Arc::new(document)))
    }
}

impl ConfigFile {
    /// What stands in it.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.0
    }
}

/// StreamFlow's schema of that file, read at first use: most operators never need it.
#[derive(Clone, Debug)]
pub struct SchemaFile {
    path: PathBuf,
    read: Arc<OnceLock<Result<Schema, String>>>,
}

impl FromStr for SchemaFile {
    type Err = std::convert::Infallible;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            path: path.into(),
            read: Arc::default(),
        })
    }
}

impl SchemaFile {
    /// The schema, or why there is none.
    pub fn schema(&self) -> Result<&Schema, String> {
        let read = || {
            let path = self.path.display();
            let text = fs::read_to_string(&self.path).map_err(|error| {
                format!("StreamFlow's schema cannot be read: {path}: {error} (--streamflow-schema)")
            })?;
            Schema::new(text).map_err(|problem| format!("{path}: {problem}"))
        };
        self.read.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}
