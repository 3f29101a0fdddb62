//! The direction of dependencies inside core: a file may use only what stands above it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "sources that cannot be read fail the test"
)]

use std::fs;
use std::path::Path;

/// Top to bottom, as in `ARCHITECTURE.md`. Files of one row may use each other.
const LAYERS: [&[&str]; 10] = [
    &[
        "role", "position", "intent", "fault", "identity", "reason", "refusal", "node_id",
    ],
    &[
        "clock",
        "config",
        "connected",
        "dice",
        "error",
        "mode",
        "option_methods",
        "placement",
        "rate",
        "meters",
        "token",
    ],
    &[
        "classify",
        "health",
        "slowness",
        "freshness",
        "session",
        "session_state",
        "misroutes",
        "intents",
    ],
    &["address", "postgres", "sqlstate"],
    &[
        "node",
        "node_tests",
        "awaited",
        "in_flight",
        "topology",
        "fallback",
        "ended",
        "expiry",
        "group",
        "per_node",
    ],
    &["select", "admitted", "route", "demand", "observe"],
    &[
        "shared",
        "shadow_status",
        "backend",
        "sqlite",
        "opening",
        "signals",
        "status",
        "blame",
        "pools",
        "recent",
    ],
    &[
        "attempt",
        "monitor",
        "request",
        "shadow",
        "timing",
        "wait",
        "looking",
        "companions",
        "pacing",
        "gauges",
        "ticker",
    ],
    &[
        "splitter",
        "rollout",
        "unrouted",
        "carry",
        "tower",
        "endpoints",
        "environment",
    ],
    &["model"],
];

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn check(module: &str, file: &Path, wrong: &mut Vec<String>) {
    let layer = layer_of(module).unwrap_or_else(|| panic!("{module} stands in no layer"));
    let text = fs::read_to_string(file).unwrap();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        for used in line.split("crate::").skip(1) {
            let used: String = used
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if layer_of(&used).is_some_and(|other| other > layer) {
                wrong.push(format!("{}: {used}", file.display()));
            }
        }
    }
}

fn walk(module: Option<&str>, folder: &Path, wrong: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let module = module.unwrap_or(&name);
        match (path.is_dir(), name.as_str()) {
            (true, _) => walk(Some(module), &path, wrong),
            (false, "lib") => {}
            (false, _) => check(module, &path, wrong),
        }
    }
}

#[test]
fn a_module_uses_only_those_above_it() {
    let mut wrong = Vec::new();
    walk(
        None,
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut wrong,
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}
