//! Inputs over https, from a real server with a certificate of its own authority.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use dvre_operator::runner::record::{Phase, Reason};
use rstest::rstest;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use super::world::{Ended, World};

const CWL: &str = "{cwlVersion: v1.2, class: CommandLineTool, baseCommand: \"true\", inputs: {f: File}, outputs: {}}";
const LIMIT: usize = 1 << 20;

/// Serves until the process ends; gives its port and its certificate.
fn serve() -> (u16, String) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = key.cert.pem();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(HashMap::<String, u32>::new()));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (config, seen) = (Arc::clone(&config), Arc::clone(&seen));
            std::thread::spawn(move || {
                let session = rustls::ServerConnection::new(config).unwrap();
                let mut stream = rustls::StreamOwned::new(session, socket.unwrap());
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read_exact(&mut byte).is_err() {
                        return;
                    }
                    request.push(byte[0]);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let count = {
                    let mut seen = seen.lock().unwrap();
                    let count = seen.entry(path.to_owned()).or_default();
                    *count += 1;
                    *count
                };
                let _ = stream.write_all(&answer(path, count));
                stream.conn.send_close_notify();
                let _ = stream.flush();
            });
        }
    });
    (port, pem)
}

fn answer(path: &str, count: u32) -> Vec<u8> {
    let ok = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let redirect = |to: &str| {
        format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    match path.split('?').next().unwrap_or_default() {
        "/moved" => redirect("/ok"),
        "/unsafe" => redirect("http://localhost:1/ok"),
        "/loop" => redirect("/loop"),
        "/flaky" if count < 3 => {
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
        }
        "/cut" if count < 2 => {
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ncon".to_owned()
        }
        "/a%20b.txt" | "/ok" | "/flaky" | "/cut" => ok("content"),
        "/large" => ok(&"x".repeat(LIMIT + 1)),
        "/endless" => {
            let mut chunked =
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                    .to_owned();
            for _ in 0..20 {
                write!(chunked, "{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000)).unwrap();
            }
            chunked + "0\r\n\r\n"
        }
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
    }
    .into_bytes()
}

fn fetch(path: &str, trusted: bool) -> (World, Ended, String) {
    let (port, pem) = serve();
    let host = format!("https://localhost:{port}");
    let inputs = json!({"f": {"class": "File", "location": format!("{host}{path}")}});
    let world = World::new()
        .engine("cat inputs.json >&2; echo '{}'")
        .workflow(CWL, &inputs)
        .with("fetchLimitBytes", json!(LIMIT));
    let file = world.write("ca.pem", pem);
    let world = if trusted {
        world.env("SSL_CERT_FILE", &file)
    } else {
        world
    };
    let ended = world.run();
    (world, ended, host)
}

#[rstest]
#[case("/ok", "ok")]
#[case("/a%20b.txt?signature=x", "a b.txt")]
#[case("/moved", "moved")]
#[case("/flaky", "flaky")]
#[case("/cut", "cut")]
fn fetches(#[case] path: &str, #[case] name: &str) {
    let (world, ended, _) = fetch(path, true);
    assert_eq!(ended.outcome.phase, Phase::Succeeded, "{}", ended.log);
    assert_eq!(world.read(&format!("work/inputs/0/{name}")), "content");
    let inputs: Value = serde_json::from_str(&world.read("work/inputs.json")).unwrap();
    assert!(
        inputs["f"]["location"]
            .as_str()
            .unwrap()
            .starts_with("file:///")
    );
}

#[rstest]
#[case(
    "/gone?signature=x",
    "/gone could not be fetched: the server answered 404 Not Found"
)]
#[case(
    "/unsafe",
    "/unsafe could not be fetched: it redirects to http://, which is not safe"
)]
#[case("/loop", "/loop could not be fetched: more than 5 redirects")]
#[case(
    "/large",
    "/large could not be fetched: it is larger than the limit of 1Mi"
)]
#[case(
    "/endless",
    "/endless could not be fetched: it is larger than the limit of 1Mi"
)]
fn refuses(#[case] path: &str, #[case] message: &str) {
    let (world, ended, host) = fetch(path, true);
    assert_eq!(ended.outcome.reason, Reason::InvalidInputs, "{}", ended.log);
    assert_eq!(
        ended.outcome.message,
        format!("inputs.f.location: {host}{message}")
    );
    let left = std::fs::read_dir(world.root.join("work/inputs/0")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

#[test]
fn an_unknown_authority_is_not_trusted() {
    let (_world, ended, _) = fetch("/ok", false);
    assert_eq!(ended.outcome.reason, Reason::InvalidInputs);
    assert!(
        ended.outcome.message.contains("certificate"),
        "{}",
        ended.outcome.message
    );
}
