use std::os::unix::fs::{PermissionsExt, symlink};

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::runner::record::Reason;
use crate::runner::testing::{Folder, folder};

/// Files where the engine leaves them.
fn world(files: &[(&str, &str)]) -> Folder {
    let world = folder("outputs");
    for (path, text) in files {
        world.write(path, text);
    }
    for path in ["claim", "work/outputs"] {
        fs::create_dir_all(world.path().join(path)).unwrap();
    }
    world
}

fn gather(world: &Folder, outputs: &Value, claim: bool) -> Result<Value, Failure> {
    let run = json!({"namespace": "n", "name": "x", "deployment": "local", "entrypoint": "m",
        "outputs": claim.then_some("/claim"), "contentsLimitBytes": 8});
    let text = outputs
        .to_string()
        .replace("ROOT", world.path().to_str().unwrap());
    let outputs = read(text.as_bytes())?;
    collect(
        &Layout::new(world.path()),
        &serde_json::from_value(run).unwrap(),
        outputs,
    )
    .map(Value::Object)
}

fn file(path: &str) -> Value {
    json!({"class": "File", "path": format!("ROOT/{path}")})
}

#[test]
fn what_only_the_engine_knows_is_dropped() {
    let world = world(&[("work/outputs/a.txt", "hi\n")]);
    let given = json!({"o": {"class": "File", "path": "ROOT/work/outputs/a.txt", "dirname": "ROOT/work/outputs",
        "location": "file://ROOT/work/outputs/a.txt", "nameroot": "a", "nameext": ".txt", "size": 99,
        "basename": "a.txt", "format": "f", "checksum": "sha1$given"}, "n": [1, null, {"x": "y"}]});
    let found = gather(&world, &given, false).unwrap();
    assert_eq!(
        found,
        json!({"o": {"class": "File", "basename": "a.txt", "size": 3, "checksum": "sha1$given",
            "format": "f", "contents": "hi\n"}, "n": [1, null, {"x": "y"}]})
    );
}

#[rstest]
#[case::text(b"12345678", Some("12345678"))]
#[case::too_long(b"123456789", None)]
#[case::zero_byte(b"a\0b", None)]
#[case::no_text(b"\xff", None)]
#[case::empty(b"", Some(""))]
fn contents_of_small_text_files(#[case] bytes: &[u8], #[case] contents: Option<&str>) {
    let world = world(&[]);
    world.write("work/outputs/a", bytes);
    let found = gather(&world, &json!({"o": file("work/outputs/a")}), false).unwrap();
    assert_eq!(found["o"].get("contents").and_then(Value::as_str), contents);
    assert!(
        found["o"]["checksum"]
            .as_str()
            .unwrap()
            .starts_with("sha1$")
    );
    assert_eq!(found["o"].get("location"), None);
}

#[test]
fn names_that_meet_are_told_apart_in_order() {
    let world = world(&[
        ("work/outputs/a.txt", "1"),
        ("work/scratch/j1/a.txt", "2"),
        ("work/scratch/j2/a.txt", "3"),
        ("work/scratch/j3/.dvre", "4"),
    ]);
    let paths = [
        "work/outputs/a.txt",
        "work/scratch/j1/a.txt",
        "work/scratch/j2/a.txt",
        "work/scratch/j1/a.txt",
        "work/scratch/j3/.dvre",
    ];
    let given = json!({"o": paths.map(file)});
    let found = gather(&world, &given, true).unwrap();
    let locations: Vec<_> = (0..5)
        .map(|n| found["o"][n]["location"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        locations,
        ["a.txt", "a_2.txt", "a_3.txt", "a_2.txt", ".dvre_2"]
    );
    let stored = ["a.txt", "a_2.txt", "a_3.txt"]
        .map(|name| fs::read_to_string(world.path().join("claim").join(name)).unwrap());
    assert_eq!(stored, ["1", "2", "3"]);
}

#[test]
fn folders_keep_their_form() {
    let world = world(&[
        ("work/outputs/d/e/x.sh", "1"),
        ("work/outputs/d/y", "2"),
        ("work/outputs/m.bam", "3"),
        ("work/outputs/m.bai", "4"),
    ]);
    let script = world.path().join("work/outputs/d/e/x.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(world.path().join("work/outputs/d/empty")).unwrap();
    let mut main = file("work/outputs/m.bam");
    main["secondaryFiles"] = json!([file("work/outputs/m.bai")]);
    let given =
        json!({"d": {"class": "Directory", "location": "file://ROOT/work/outputs/d"}, "m": main});
    let found = gather(&world, &given, true).unwrap();
    assert_eq!(found["m"]["secondaryFiles"][0]["location"], "m.bai");
    let listing = found["d"]["listing"].as_array().unwrap();
    let names: Vec<_> = listing
        .iter()
        .map(|entry| entry["basename"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["e", "empty", "y"]);
    assert_eq!(listing[0]["listing"][0]["location"], "d/e/x.sh");
    let claim = world.path().join("claim");
    assert_eq!(
        fs::metadata(claim.join("d/e/x.sh"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o755
    );
    assert!(claim.join("d/empty").is_dir() && claim.join("m.bai").is_file());
}

#[test]
fn literals_and_strangely_escaped_places() {
    let world = world(&[("work/outputs/a b#c.txt", "1"), ("work/outputs/d%20e", "2")]);
    let given = json!({
        "raw": {"class": "File", "location": "file://ROOT/work/outputs/a b#c.txt"},
        "escaped": {"class": "File", "location": "file://ROOT/work/outputs/a%20b%23c.txt"},
        "percent": {"class": "File", "location": "file://ROOT/work/outputs/d%20e"},
        "literal": {"class": "File", "basename": "l", "contents": "hi"},
    });
    let found = gather(&world, &given, true).unwrap();
    assert_eq!(
        (&found["raw"]["location"], &found["escaped"]["location"]),
        (&json!("a b#c.txt"), &json!("a b#c.txt"))
    );
    assert_eq!(found["percent"]["location"], "d%20e");
    assert_eq!(found["literal"], given["literal"]);
}

#[test]
fn links_do_not_lead_out() {
    let world = world(&[("data/refs/g.fa", "g"), ("etc/passwd", "root")]);
    symlink(
        world.path().join("data/refs/g.fa"),
        world.path().join("work/outputs/in"),
    )
    .unwrap();
    symlink(
        world.path().join("etc/passwd"),
        world.path().join("work/outputs/out"),
    )
    .unwrap();
    let found = gather(&world, &json!({"o": file("work/outputs/in")}), true).unwrap();
    assert_eq!(found["o"]["contents"], "g");
    assert!(!world.path().join("claim/in").is_symlink());
    let failure = gather(&world, &json!({"o": file("work/outputs/out")}), true).unwrap_err();
    assert_eq!(
        failure.message,
        "output o is outside of the run's folders, or a link that leads there"
    );
    symlink(world.path().join("etc"), world.path().join("claim/d")).unwrap();
    world.write("work/outputs/d/x", "x");
    let failure = gather(&world, &json!({"o": file("work/outputs/d/x")}), true).unwrap_err();
    assert_eq!(
        failure.message,
        "output o cannot be stored: a link in the output folder leads out of it"
    );
}

#[rstest]
#[case::gone(json!({"o": file("work/outputs/gone")}), "output o cannot be read: No such file or directory (os error 2)")]
#[case::nested(json!({"o": [{"r": file("work/outputs/gone")}]}), "output o[0].r cannot be read: No such file or directory (os error 2)")]
#[case::in_the_way(json!({"o": file("work/outputs/taken")}), "output o cannot be stored: Is a directory (os error 21)")]
fn failures_name_the_output(#[case] given: Value, #[case] message: &str) {
    let world = world(&[("work/outputs/taken", "1"), ("claim/taken/x", "2")]);
    let failure = gather(&world, &given, true).unwrap_err();
    assert_eq!(
        (failure.reason, failure.message.as_str()),
        (Reason::OutputsFailed, message)
    );
    // Nothing half-written stays.
    assert_eq!(fs::read_dir(world.path().join("claim")).unwrap().count(), 1);
}

#[test]
fn a_claim_that_is_not_there() {
    let world = world(&[]);
    fs::remove_dir(world.path().join("claim")).unwrap();
    let failure = gather(&world, &json!({}), true).unwrap_err();
    assert!(
        failure
            .message
            .starts_with("the folder for outputs cannot be used: "),
        "{failure}"
    );
}

#[rstest]
#[case("", Ok(()))]
#[case("\n", Ok(()))]
#[case("{}", Ok(()))]
#[case("[]", Err("the engine did not print an output object"))]
#[case("{\"a\":", Err("the engine did not print an output object"))]
fn objects(#[case] printed: &str, #[case] expected: Result<(), &str>) {
    let found = read(printed.as_bytes()).map(|_| ());
    assert_eq!(
        found.map_err(|failure| failure.message),
        expected.map_err(ToOwned::to_owned)
    );
}
