//! Pods for steps: what each needs, and which steps can share a sort.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Request, invalid, push, typed};
use crate::api::Reason;
use crate::api::targets::KubernetesTarget;
use crate::controller::pod::Trouble;
use crate::controller::validate::refuse;
use crate::cwl::needs::{Amount, Gpus, Resources, Step};
use crate::render::placement::{Kind, Placement, Pods};
use crate::settings::resources::{more_memory, number};

/// Finds or makes the sort of pods for a step.
pub fn place(
    request: &Request<'_>,
    placement: &mut Placement,
    name: &str,
    target: &KubernetesTarget,
    step: &Step,
) -> Result<usize, Trouble> {
    allowed(request, name)?;
    let mut pods = pods(request, name, target, step)?;
    let same = |known: &Pods| {
        let same = Pods {
            number: known.number,
            step: known.step.clone(),
            ..pods.clone()
        };
        *known == same
    };
    let prefix = format!("{name}-");
    let found = placement.targets.iter().position(|known| {
        known.name.starts_with(&prefix) && matches!(&known.kind, Kind::Pods(pods) if same(pods))
    });
    if let Some(found) = found {
        return Ok(found);
    }
    pods.number = placement.pods().count();
    let name = format!("{prefix}{}", pods.number);
    Ok(push(placement, name, Kind::Pods(pods)))
}

/// Checks that the runner of a run can get the right to create pods.
pub fn allowed(request: &Request<'_>, name: &str) -> Result<(), Trouble> {
    let runner = request.spec.runner.as_ref();
    let own = runner.is_some_and(|runner| runner.service_account_name.is_some());
    if own || request.settings.deployments.steps_role.is_some() {
        return Ok(());
    }
    Err(invalid(format!(
        "deployment {name}: this operator gives runners no right to create pods: name a service account \
         that may create, get, list, watch and delete pods, and get and create pods/exec, in \
         spec.runner.serviceAccountName; or whoever runs the operator sets \
         deployments.kubernetes.enabled=true in its chart (--steps-role)"
    )))
}

fn pods(
    request: &Request<'_>,
    name: &str,
    target: &KubernetesTarget,
    step: &Step,
) -> Result<Pods, Trouble> {
    let settings = &request.settings.deployments;
    let own = step
        .needs
        .container
        .as_ref()
        .and_then(|container| container.image.as_ref());
    let image = own
        .or(target.image.as_ref())
        .unwrap_or(&settings.kubernetes_image);
    if let Some(directory) = step
        .needs
        .container
        .as_ref()
        .filter(|container| container.output_directory.is_some())
    {
        return Err(unsupported(
            &directory.place,
            "dockerOutputDirectory is not served by step pods: remove it, and let the tool write to its \
             working folder",
        ));
    }
    let mut resources = settings.step_resources(target.resources.as_ref());
    if let Some(wanted) = &step.needs.resources {
        if wanted.computed() && target.resources.is_none() {
            return Err(unsupported(
                &wanted.place,
                "step pods are sized before the run, and an expression has no value yet: write a number, \
                 or give the deployment resources that are enough for all jobs (spec.deployments)",
            ));
        }
        apply(wanted, &mut resources);
    }
    if let Some(gpus) = &step.needs.gpus {
        accelerators(gpus, &settings.gpu_resource, &mut resources)?;
    }
    Ok(Pods {
        number: 0,
        step: step.path.clone(),
        image: typed::image(name, image)?,
        resources: more_memory(resources, request.memory_factor),
        network: step.needs.network.unwrap_or(false),
        replicas: target.replicas.unwrap_or(1),
        timeout_seconds: target
            .timeout_seconds
            .unwrap_or(settings.kubernetes_timeout_seconds),
        node_selector: target.node_selector.clone(),
        tolerations: target.tolerations.clone(),
        pull_secrets: target.image_pull_secrets.clone(),
        service_account: target.service_account_name.clone(),
    })
}

fn unsupported(place: &str, message: &str) -> Trouble {
    refuse(
        Reason::UnsupportedRequirement,
        format!("{place}: {message}"),
    )
}

/// The least that a step asks for is requested, and the most is its limit. Where only the least is
/// given, the default limit stays, unless it is lower.
fn apply(wanted: &Resources, resources: &mut ResourceRequirements) {
    let cores = |cores: f64| Quantity(format!("{}m", whole(cores * 1000.0)));
    let mebibytes = |size: f64| Quantity(format!("{}Mi", whole(size)));
    set(resources, "cpu", wanted.cores, cores);
    set(resources, "memory", wanted.memory, mebibytes);
    let disk = (
        sum(wanted.tmpdir.0, wanted.outdir.0),
        sum(wanted.tmpdir.1, wanted.outdir.1),
    );
    set(resources, "ephemeral-storage", disk, mebibytes);
}

fn set(
    resources: &mut ResourceRequirements,
    name: &str,
    (least, most): (Option<Amount>, Option<Amount>),
    quantity: impl Fn(f64) -> Quantity,
) {
    let number_of = |amount| match amount {
        Some(Amount::Number(number)) if number > 0.0 => Some(number),
        _ => None,
    };
    let (least, most) = (number_of(least), number_of(most));
    if let Some(least) = least.or(most) {
        let request = quantity(least);
        let limits = resources.limits.get_or_insert_default();
        if let Some(limit) = limits.get(name)
            && number(limit) < number(&request)
        {
            limits.insert(name.to_owned(), request.clone());
        }
        let requests = resources.requests.get_or_insert_default();
        requests.insert(name.to_owned(), request);
    }
    if let Some(most) = most {
        let limits = resources.limits.get_or_insert_default();
        limits.insert(name.to_owned(), quantity(most.max(least.unwrap_or(most))));
    }
}

fn sum(one: Option<Amount>, other: Option<Amount>) -> Option<Amount> {
    match (one, other) {
        (Some(Amount::Number(one)), Some(Amount::Number(other))) => {
            Some(Amount::Number(one + other))
        }
        (Some(Amount::Computed), other) => other,
        (one, Some(Amount::Computed)) => one,
        (one, other) => one.or(other),
    }
}

fn accelerators(
    gpus: &Gpus,
    resource: &str,
    resources: &mut ResourceRequirements,
) -> Result<(), Trouble> {
    let Amount::Number(count) = gpus.count else {
        return Err(unsupported(
            &gpus.place,
            "step pods are sized before the run: write the number of devices as a number",
        ));
    };
    let count = Quantity(whole(count.max(1.0)));
    for part in [&mut resources.limits, &mut resources.requests] {
        let quantities: &mut BTreeMap<_, _> = part.get_or_insert_default();
        quantities.insert(resource.to_owned(), count.clone());
    }
    Ok(())
}

/// A number rounded up, written without an exponent.
fn whole(number: f64) -> String {
    format!("{:.0}", number.ceil())
}
