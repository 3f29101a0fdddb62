//! The dashboard, the alerts and the list of metrics name what is really exported, and the list all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail, ensure};
use promql_parser::label::Matchers;
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};
use serde_json::Value;

use crate::exported::{self, Exported, metric_of};

/// What servers add to each series, and what expressions may use besides.
const GIVEN: [&str; 4] = ["instance", "job", "le", "__name__"];

fn file(path: &str) -> Result<String> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    fs::read_to_string(root.join(path)).with_context(|| path.to_owned())
}

/// Metrics that an expression names, each with the labels that it is asked for, and all labels it is grouped by.
#[derive(Debug, Default)]
struct Named {
    metrics: BTreeMap<String, BTreeSet<String>>,
    grouped: BTreeSet<String>,
}

impl Named {
    fn of(text: &str) -> Result<Self> {
        // Grafana replaces these before Prometheus sees them
        let text = text
            .replace("$__rate_interval", "5m")
            .replace("$instance", ".*");
        let expression = parser::parse(&text).map_err(|error| anyhow!("{text}: {error}"))?;
        let mut named = Self::default();
        named.look(&expression)?;
        ensure!(!named.metrics.is_empty(), "{text} names no metric");
        Ok(named)
    }

    fn look(&mut self, expression: &Expr) -> Result<()> {
        match expression {
            Expr::Aggregate(aggregate) => {
                self.groups(aggregate.modifier.as_ref());
                self.look(&aggregate.expr)
            }
            Expr::Unary(unary) => self.look(&unary.expr),
            Expr::Binary(binary) => {
                let modifier = binary.modifier.as_ref();
                self.groups(modifier.and_then(|modifier| modifier.matching.as_ref()));
                self.look(&binary.lhs)?;
                self.look(&binary.rhs)
            }
            Expr::Paren(paren) => self.look(&paren.expr),
            Expr::Subquery(subquery) => self.look(&subquery.expr),
            Expr::VectorSelector(selector) => self.selects(selector),
            Expr::MatrixSelector(selector) => self.selects(&selector.vs),
            Expr::Call(call) => call
                .args
                .args
                .iter()
                .try_for_each(|argument| self.look(argument)),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(()),
            Expr::Extension(_) => bail!("not PromQL's own: {expression:?}"),
        }
    }

    fn groups(&mut self, modifier: Option<&LabelModifier>) {
        match modifier {
            Some(LabelModifier::Include(labels) | LabelModifier::Exclude(labels)) => {
                self.grouped.extend(labels.labels.iter().cloned());
            }
            None => {}
        }
    }

    fn selects(&mut self, selector: &VectorSelector) -> Result<()> {
        let name = selector
            .name
            .clone()
            .with_context(|| format!("{selector:?} has no name"))?;
        let Matchers { matchers, .. } = &selector.matchers;
        let labels = matchers.iter().map(|matcher| matcher.name.clone());
        self.metrics.entry(name).or_default().extend(labels);
        Ok(())
    }

    /// Each metric is exported, and has the labels.
    fn is_exported(&self, exported: &Exported) -> Result<()> {
        for (series, labels) in &self.metrics {
            let name = metric_of(series, |name| exported.contains_key(name));
            let has = exported
                .get(name)
                .with_context(|| format!("{series} is not exported"))?;
            for label in labels.union(&self.grouped) {
                let is_there = has.contains(label) || GIVEN.contains(&label.as_str());
                ensure!(is_there, "{series} has no label {label}, but {has:?}");
            }
        }
        Ok(())
    }
}

/// Every `expr` of a dashboard.
fn expressions(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Object(fields) => {
            for (key, value) in fields {
                if let ("expr", Value::String(text)) = (key.as_str(), value) {
                    found.push(text.clone());
                } else {
                    expressions(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[derive(serde::Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(serde::Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(serde::Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// The rows of the chapter's tables of metrics: name and labels.
fn documented() -> Result<Exported> {
    let chapter = file("docs/metrics.md")?;
    let rows = chapter
        .lines()
        .filter_map(|line| line.strip_prefix("| `orm_split_"));
    let mut documented = Exported::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, _, labels, ..] = cells[..] else {
            bail!("a row of other cells: {row}");
        };
        let labels = labels
            .split(',')
            .map(|label| label.trim().trim_matches('`'));
        let labels = labels.filter(|label| !label.is_empty()).map(str::to_owned);
        let name = format!("orm_split_{}", name.trim_end_matches('`'));
        documented.insert(name, labels.collect());
    }
    Ok(documented)
}

#[tokio::test]
async fn dashboard_alerts_and_documentation_name_what_is_exported() -> Result<()> {
    let exported = exported::after_everything().await?;
    let documented = documented()?;
    for (name, labels) in &exported {
        let known = documented
            .get(name)
            .with_context(|| format!("{name} is not documented"))?;
        ensure!(
            known == labels,
            "{name} has the labels {labels:?}, documented are {known:?}"
        );
    }
    for name in documented.keys() {
        ensure!(
            exported.contains_key(name),
            "{name} is documented and not exported"
        );
    }

    let dashboard = file("examples/deploy/grafana/orm-split.json")?;
    let mut found = Vec::new();
    expressions(&serde_json::from_str(&dashboard)?, &mut found);
    ensure!(found.len() >= 10, "{} expressions only", found.len());
    for text in &found {
        Named::of(text)?
            .is_exported(&exported)
            .with_context(|| text.clone())?;
    }

    let alerts = file("examples/deploy/prometheus/orm-split-alerts.yaml")?;
    let rules: Rules = serde_saphyr::from_str(&alerts)?;
    let mut names = BTreeSet::new();
    for rule in rules.groups.iter().flat_map(|group| &group.rules) {
        Named::of(&rule.expr)?
            .is_exported(&exported)
            .with_context(|| rule.alert.clone())?;
        ensure!(rule.labels.contains_key("severity"), "{}", rule.alert);
        ensure!(rule.annotations.contains_key("summary"), "{}", rule.alert);
        names.insert(rule.alert.as_str());
    }
    for alert in [
        "OrmSplitReplicaLags",
        "OrmSplitReplicaLagsFar",
        "OrmSplitFallbackOverBudget",
        "OrmSplitNoPrimary",
        "OrmSplitMisroutes",
    ] {
        ensure!(names.contains(alert), "no alert {alert}");
    }
    Ok(())
}
