//! Requests and limits in layers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The operator's requests and limits with the resource's own over them.
#[must_use]
pub fn merged(
    base: &ResourceRequirements,
    own: Option<&ResourceRequirements>,
) -> ResourceRequirements {
    let mut merged = base.clone();
    let Some(own) = own else { return merged };
    let limits = merge(merged.limits.take(), own.limits.as_ref());
    let mut requests = merge(merged.requests.take(), own.requests.as_ref());
    // A limit without a request of its own is requested whole, as Kubernetes does by itself: the
    // operator's default request might even be above it, which the API server refuses.
    for (name, limit) in own.limits.iter().flatten() {
        if !own
            .requests
            .as_ref()
            .is_some_and(|requests| requests.contains_key(name))
        {
            requests
                .get_or_insert_default()
                .insert(name.clone(), limit.clone());
        }
    }
    merged.limits = limits;
    merged.requests = requests;
    merged.claims.clone_from(&own.claims);
    merged
}

/// The same with some times as much memory, in whole mebibytes.
#[must_use]
pub fn more_memory(mut resources: ResourceRequirements, factor: f64) -> ResourceRequirements {
    if factor > 1.0 {
        for part in [&mut resources.limits, &mut resources.requests] {
            let memory = part.as_mut().and_then(|part| part.get_mut("memory"));
            if let Some(memory) = memory
                && let Some(bytes) = number(memory)
            {
                memory.0 = format!("{:.0}Mi", (bytes * factor / 1_048_576.0).ceil());
            }
        }
    }
    resources
}

type Quantities = Option<BTreeMap<String, Quantity>>;

fn merge(base: Quantities, own: Option<&BTreeMap<String, Quantity>>) -> Quantities {
    match (base, own) {
        (base, None) => base,
        (base, Some(own)) => {
            let mut merged = base.unwrap_or_default();
            merged.extend(
                own.iter()
                    .map(|(name, quantity)| (name.clone(), quantity.clone())),
            );
            Some(merged)
        }
    }
}

/// The number that a quantity stands for, in cores or bytes.
#[must_use]
pub fn number(quantity: &Quantity) -> Option<f64> {
    const UNITS: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let text = quantity.0.as_str();
    // `1E3` is a number, `1E` an exabyte.
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    UNITS.iter().find_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor)
    })
}

/// A whole limit of a container, in bytes or thousandths of a core.
#[must_use]
pub fn limit(resources: &ResourceRequirements, name: &str, scale: f64) -> Option<i64> {
    let limit = number(resources.limits.as_ref()?.get(name)?)? * scale;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is between the limits of the type"
    )]
    (1.0..=9e18).contains(&limit).then_some(limit as i64)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2", Some(2.0))]
    #[case("250m", Some(0.25))]
    #[case("1.5Gi", Some(1_610_612_736.0))]
    #[case("128974848", Some(128_974_848.0))]
    #[case("129M", Some(129e6))]
    #[case("1E3", Some(1000.0))]
    #[case("1E", Some(1e18))]
    #[case("much", None)]
    fn numbers(#[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(number(&Quantity(text.to_owned())), expected);
    }

    #[test]
    fn more_memory_is_that_of_limit_and_request() {
        let resources: ResourceRequirements = serde_json::from_str(
            r#"{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"memory":"100M"}}"#,
        )
        .unwrap();
        let more = more_memory(resources.clone(), 1.5);
        assert_eq!(more.limits.unwrap()["memory"].0, "1536Mi");
        assert_eq!(more.requests.unwrap()["memory"].0, "144Mi");
        assert_eq!(more_memory(resources.clone(), 1.0), resources);
    }

    #[test]
    fn a_limit_is_whole() {
        let resources: ResourceRequirements =
            serde_json::from_str(r#"{"limits":{"cpu":"1500m","memory":"2Gi"}}"#).unwrap();
        assert_eq!(limit(&resources, "cpu", 100_000.0), Some(150_000));
        assert_eq!(limit(&resources, "memory", 1.0), Some(2 << 30));
        assert_eq!(limit(&resources, "nvidia.com/gpu", 1.0), None);
    }
}
