//! What the library adds to a statement before it is sent: classification of its text (alone in
//! `classify.rs`), the floor of its session, and the choice of a node among four replicas.

#![expect(clippy::expect_used, reason = "a benchmark without a runtime fails")]

#[path = "../tests/fake/mod.rs"]
mod fake;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use fake::World;
use orm_split_core::{Hint, Options};

fn decide(c: &mut Criterion) {
    let sql = include_str!("../tests/select_200.sql").trim();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let world = runtime.block_on(World::start(4, Options::default()));
    c.bench_function("classify and route, 200 characters, 4 replicas", |b| {
        b.iter(|| world.splitter.explain(black_box(sql), Hint::None));
    });
}

criterion_group!(benches, decide);
criterion_main!(benches);
