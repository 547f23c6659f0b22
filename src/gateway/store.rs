//! The workflows: resources of the cluster, asked for in the name of the caller. There is no other store.

use axum::http;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::caller::Caller;
use super::fault::Fault;
use super::run::{Meta, PROJECT_LABEL, Run, project_label};
use crate::api::DvreWorkflow;
use crate::names;

/// How many rows one request asks for.
const PAGE: u32 = 500;
/// What a list is asked for as: names, labels, annotations and columns, without the documents.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// How often a change is tried while others change the same.
const TRIES: usize = 5;

/// The workflows, as one caller may see and change them.
pub struct Store<'a> {
    caller: &'a Caller,
    wallet: Option<String>,
    namespace: &'a str,
}

/// A workflow in a list.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its metadata.
    pub metadata: Meta,
    /// Where it stands.
    pub phase: String,
    /// What runs it.
    pub engine: Option<String>,
    /// Where its steps run.
    pub deployment: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    metadata: TableMeta,
    #[serde(default)]
    column_definitions: Vec<Column>,
    #[serde(default)]
    rows: Vec<TableRow>,
}

#[derive(Deserialize)]
struct TableMeta {
    #[serde(default, rename = "continue")]
    more: Option<String>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

#[derive(Deserialize)]
struct TableRow {
    cells: Vec<Value>,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
}

impl<'a> Store<'a> {
    /// For the caller of a request.
    #[must_use]
    pub fn new(call: &'a Call) -> Self {
        Self {
            caller: &call.caller,
            wallet: call.claims.wallet(),
            namespace: &call.gateway.settings.namespace,
        }
    }

    fn client(&self) -> &Client {
        &self.caller.client
    }

    fn api(&self) -> Api<DvreWorkflow> {
        Api::namespaced(self.client().clone(), self.namespace)
    }

    fn path(&self) -> String {
        DvreWorkflow::url_path(&(), Some(self.namespace))
    }

    fn shows(&self, metadata: &Meta) -> bool {
        let wallet = self.wallet.as_deref();
        self.caller
            .sees(metadata.project(), metadata.owner(), wallet)
    }

    /// One workflow. That it exists is not told to those who may not see it.
    pub async fn get(&self, id: &str) -> Result<Run, Fault> {
        let unknown = || Fault::not_found("Workflow not found");
        if !names::is_possible(id) {
            return Err(unknown());
        }
        let request = http::Request::get(format!("{}/{id}", self.path()))
            .body(Vec::new())
            .map_err(|error| Fault::internal(error.to_string()))?;
        let run: Run = self.client().request(request).await?;
        if self.shows(&run.metadata) {
            Ok(run)
        } else {
            Err(unknown())
        }
    }

    /// All workflows that the caller may see, of one project or of all, newest first.
    pub async fn list(&self, project: Option<&str>) -> Result<Vec<Row>, Fault> {
        let mut found = Vec::new();
        let mut more = None;
        loop {
            let table = self.page(project, more.as_deref()).await?;
            let column = |name: &str| {
                let mut columns = table.column_definitions.iter();
                columns.position(|column| column.name == name)
            };
            let (phase, engine, deployment) =
                (column("Phase"), column("Engine"), column("Deployment"));
            for row in table.rows {
                let cell = |at: Option<usize>| {
                    let cell = at.and_then(|at| row.cells.get(at)).and_then(Value::as_str);
                    cell.filter(|text| !text.is_empty()).map(str::to_owned)
                };
                let row = Row {
                    phase: cell(phase).unwrap_or_default(),
                    engine: cell(engine),
                    deployment: cell(deployment).unwrap_or_else(crate::api::default_deployment),
                    metadata: row.object.metadata,
                };
                // Two projects may have one label only if a digest does.
                let asked = project.is_none_or(|it| row.metadata.project() == Some(it));
                if asked && self.shows(&row.metadata) {
                    found.push(row);
                }
            }
            more = table.metadata.more.filter(|more| !more.is_empty());
            if more.is_none() {
                break;
            }
        }
        found.sort_by(|a, b| {
            let order = |row: &Row| row.metadata.creation_timestamp.as_ref().map(|time| time.0);
            (order(b), &b.metadata.name).cmp(&(order(a), &a.metadata.name))
        });
        Ok(found)
    }

    async fn page(&self, project: Option<&str>, more: Option<&str>) -> Result<Table, Fault> {
        let uri = self.page_path(project, more);
        let request = http::Request::get(uri)
            .header(http::header::ACCEPT, TABLE)
            .body(Vec::new())
            .map_err(|error| Fault::internal(error.to_string()))?;
        Ok(self.client().request(request).await?)
    }

    fn page_path(&self, project: Option<&str>, more: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(format!("{}?", self.path()));
        query.append_pair("limit", &PAGE.to_string());
        if let Some(project) = project {
            let selector = format!("{PROJECT_LABEL}={}", project_label(project));
            query.append_pair("labelSelector", &selector);
        }
        if let Some(more) = more {
            query.append_pair("continue", more);
        }
        query.finish()
    }

    /// Stores a workflow.
    pub async fn create(&self, workflow: &DvreWorkflow) -> Result<(), Fault> {
        let params = PostParams {
            field_manager: Some("dvre-gateway".to_owned()),
            ..PostParams::default()
        };
        self.api().create(&params, workflow).await?;
        Ok(())
    }

    /// Changes a workflow in one step: `change` makes a merge patch of what there is, with some metadata, and
    /// is asked again where somebody else was faster.
    pub async fn change<T>(
        &self,
        id: &str,
        change: impl Fn(&Run) -> Result<(Value, T), Fault>,
    ) -> Result<T, Fault> {
        let mut last = Fault::conflict("the workflow was changed at the same time: try again");
        for _ in 0..TRIES {
            let run = self.get(id).await?;
            let (mut patch, answer) = change(&run)?;
            if let Some(Value::Object(metadata)) = patch.get_mut("metadata") {
                let version = json!(run.metadata.resource_version);
                metadata.insert("resourceVersion".to_owned(), version);
            }
            let patch = Patch::Merge(patch);
            match self
                .api()
                .patch_metadata(id, &PatchParams::default(), &patch)
                .await
            {
                Ok(_) => return Ok(answer),
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    last =
                        Fault::conflict("the workflow is changed by many at one time: try again");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(last)
    }
}
