use rstest::rstest;
use serde_json::json;

use super::*;
use crate::runner::testing::{Folder, folder};

fn world() -> Folder {
    let world = folder("resolve");
    for file in [
        "work/workflow/a.txt",
        "work/workflow/sub/b c.txt",
        "work/workflow/odd%20.txt",
        "data/refs/g.fa",
    ] {
        world.write(file, "x");
    }
    world
}

fn resolve(world: &Folder, value: Value) -> Result<Value, String> {
    let layout = Layout::new(world.path());
    let fetched = layout.fetched();
    let mut inputs = Map::from_iter([("x".to_owned(), value)]);
    let fetch = |request: &Request<'_>| {
        let folder = request
            .beside
            .map_or_else(|| fetched.join("0"), Path::to_owned);
        Ok(folder.join(request.name.unwrap_or("fetched")))
    };
    Resolver::new(&layout, fetch)
        .resolve(&mut inputs)
        .map_err(|failure| {
            assert_eq!(failure.reason, crate::runner::record::Reason::InvalidInputs);
            failure.message
        })?;
    let text = Value::Object(inputs).to_string();
    let text = text.replace(world.path().to_str().unwrap(), "");
    Ok(serde_json::from_str::<Value>(&text).unwrap()["x"].take())
}

#[rstest]
#[case("path", "a.txt", "file:///work/workflow/a.txt")]
#[case("location", "./sub/../a.txt", "file:///work/workflow/a.txt")]
#[case("location", "sub/b%20c.txt", "file:///work/workflow/sub/b%20c.txt")]
#[case("path", "sub/b c.txt", "file:///work/workflow/sub/b%20c.txt")]
#[case("path", "/data/refs/g.fa", "file:///data/refs/g.fa")]
#[case("location", "file:///data/refs/g.fa", "file:///data/refs/g.fa")]
#[case(
    "location",
    "file://localhost/work/workflow/sub/b%20c.txt",
    "file:///work/workflow/sub/b%20c.txt"
)]
#[case("location", "https://host/y", "file:///work/inputs/0/fetched")]
fn files(#[case] key: &str, #[case] text: &str, #[case] location: &str) {
    let found = resolve(&world(), json!({"class": "File", key: text, "format": "f"})).unwrap();
    assert_eq!(
        found,
        json!({"class": "File", "location": location, "format": "f"})
    );
}

#[rstest]
#[case(
    "path",
    "no.txt",
    r#"inputs.x.path: there is no file "no.txt" among the workflow files"#
)]
#[case(
    "path",
    "/data/refs/no",
    r#"inputs.x.path: there is no file "/data/refs/no" in the volume"#
)]
#[case(
    "path",
    "/data/other/g",
    r#"inputs.x.path: there is no volume "other"; name it under spec.volumes"#
)]
#[case(
    "path",
    "sub",
    r#"inputs.x.path: "sub" is a folder, and the class is File"#
)]
#[case(
    "path",
    "../inputs.json",
    r#"inputs.x.path: "../inputs.json" leads out of the workflow's folder"#
)]
#[case(
    "path",
    "/etc/passwd",
    r#"inputs.x.path: "/etc/passwd" is outside /data; put it in a volume and write /data/NAME/..."#
)]
#[case("path", "/data/../etc/passwd", r#"inputs.x.path: "/data/../etc/passwd" is outside /data; put it in a volume and write /data/NAME/..."#)]
#[case("location", "file:///etc/passwd", r#"inputs.x.location: "/etc/passwd" is outside /data; put it in a volume and write /data/NAME/..."#)]
#[case(
    "location",
    "http://host/y",
    "inputs.x.location: http:// is not safe; use https://"
)]
#[case(
    "location",
    "s3://bucket/y",
    "inputs.x.location: s3:// is not supported; use https:// or a volume"
)]
#[case("path", "", "inputs.x.path: the path is empty")]
#[case("path", "odd%20.txt", r#"inputs.x.path: StreamFlow cannot use the file "odd%20.txt", for it reads % and two digits in its name as one character"#)]
fn wrong_files(#[case] key: &str, #[case] text: &str, #[case] message: &str) {
    assert_eq!(
        resolve(&world(), json!({"class": "File", key: text})).unwrap_err(),
        message
    );
}

#[test]
fn directories() {
    let found = resolve(
        &world(),
        json!({"class": "Directory", "path": "/data/refs"}),
    )
    .unwrap();
    assert_eq!(found["location"], "file:///data/refs");
    let file = resolve(&world(), json!({"class": "Directory", "path": "a.txt"})).unwrap_err();
    assert_eq!(
        file,
        r#"inputs.x.path: "a.txt" is a file, and the class is Directory"#
    );
    let far = resolve(
        &world(),
        json!({"class": "Directory", "location": "https://h/d"}),
    )
    .unwrap_err();
    assert!(far.contains("cannot be fetched"), "{far}");
}

#[test]
fn nested_ones_are_named_by_their_place() {
    let nested = json!([{"r": [{"class": "File", "path": "a.txt",
        "secondaryFiles": [{"class": "File", "location": "gone"}]}]}]);
    let message = resolve(&world(), nested).unwrap_err();
    assert!(
        message.starts_with("inputs.x[0].r[0].secondaryFiles[0].location: "),
        "{message}"
    );
}

#[test]
fn literals_stay() {
    let literal = json!({"class": "Directory", "location": "_:1", "basename": "d", "listing": [
        {"class": "File", "basename": "f", "contents": "hi"}]});
    assert_eq!(resolve(&world(), literal.clone()).unwrap(), literal);
    let empty = resolve(&world(), json!({"class": "File", "basename": "f"})).unwrap_err();
    assert_eq!(
        empty,
        "inputs.x: a File needs a location, a path or contents"
    );
}

#[test]
fn what_belongs_to_a_fetched_file_lies_beside_it() {
    let file = json!({"class": "File", "location": "https://host/x.bam", "secondaryFiles": [
        {"class": "File", "location": "https://host/x.bai", "basename": "x.bam.bai"}]});
    let found = resolve(&world(), file).unwrap();
    assert_eq!(
        found["secondaryFiles"][0]["location"],
        "file:///work/inputs/0/x.bam.bai"
    );
}
