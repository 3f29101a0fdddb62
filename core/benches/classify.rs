//! How long `classify` takes for statements of 50, 200 and 2,000 characters.

#![allow(missing_docs, reason = "criterion's macros write no comments")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use orm_split_core::{Dialect, classify};
use std::hint::black_box;

fn statement(columns: usize) -> String {
    let columns: Vec<String> = (0..columns)
        .map(|n| format!(r#""cake"."column_{n}""#))
        .collect();
    let rest = r#"LEFT JOIN "bakery" ON "cake"."bakery_id" = "bakery"."id" WHERE "cake"."id" = $1 ORDER BY "cake"."name" ASC LIMIT $2"#;
    format!(r#"SELECT {} FROM "cake" {rest}"#, columns.join(", "))
}

fn benchmark(criterion: &mut Criterion) {
    let statements = [
        r#"SELECT "cake"."id" FROM "cake" WHERE "cake"."id"=$1"#.to_owned(),
        statement(3),
        statement(90),
    ];
    let mut group = criterion.benchmark_group("classify");
    for sql in statements {
        group.throughput(Throughput::Bytes(sql.len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(sql.len()),
            &sql,
            |bencher, sql| {
                bencher.iter(|| classify(Dialect::Postgres, black_box(sql)));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
