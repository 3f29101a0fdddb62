//! What a statement is, by PostgreSQL's own parser.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{FuncCall, SQLValueFunction, SelectStmt};
use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, raw};
use std::ops::ControlFlow;

#[path = "../../../core/src/classify/functions_postgres.rs"]
#[allow(unreachable_pub, reason = "the file belongs to another package")]
mod functions;

/// What the parser makes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "each of them is compared")]
pub enum Verdict {
    /// A plain read.
    Read,
    /// Anything else that a server would take, and why it is no plain read.
    Other(String),
    /// Every server refuses it, on whatever node.
    Invalid,
}

/// Functions that the grammar itself makes of operators and syntax.
const MADE_BY_GRAMMAR: &[&str] = &["like_escape", "similar_to_escape"];

/// Judges a text.
#[must_use]
pub fn judge(sql: &str) -> Verdict {
    let Ok(tree) = pg_raw_parse::parse(sql) else {
        return Verdict::Invalid;
    };
    let mut statements = tree.stmts();
    let (Some(first), second) = (statements.next(), statements.next()) else {
        return other("no statement");
    };
    if second.is_some() {
        return other("several statements");
    }
    match first {
        Node::SelectStmt(_) => query(first),
        Node::ExplainStmt(explain) => match explain.query() {
            inner @ Node::SelectStmt(_) => query(inner),
            _ => other("explains no query"),
        },
        _ => other("no query"),
    }
}

fn other(why: &str) -> Verdict {
    Verdict::Other(why.to_owned())
}

fn query(root: Node<'_>) -> Verdict {
    let mut forbidden = forbids(root);
    if forbidden.is_none() {
        forbidden = walk_manual(root, |node| match forbids(node) {
            Some(why) => ControlFlow::Break(why),
            None => Recurse::yes(),
        });
    }
    forbidden.map_or(Verdict::Read, Verdict::Other)
}

/// Why a plain read must not hold this node.
fn forbids(node: Node<'_>) -> Option<String> {
    match node {
        Node::SelectStmt(select) => forbids_select(select).map(str::to_owned),
        Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            Some("changes rows".to_owned())
        }
        Node::LockingClause(_) => Some("locks rows".to_owned()),
        Node::IntoClause(_) => Some("creates a table".to_owned()),
        Node::FuncCall(call) => forbids_call(call),
        Node::SQLValueFunction(value) => {
            answers_for_session(value).then(|| "answers for the session".to_owned())
        }
        Node::RangeVar(table) => table
            .schemaname()
            .is_some_and(|schema| schema.starts_with("pg_temp"))
            .then(|| "temporary table".to_owned()),
        Node::RangeTableSample(sample) => {
            let names: Vec<&str> = sample.method().iter().filter_map(Node::as_str).collect();
            let is_builtin = matches!(names.as_slice(), ["bernoulli" | "system"]);
            (!is_builtin).then(|| format!("samples by {}", names.join(".")))
        }
        Node::A_Expr(expression) => forbids_operator(expression.name()),
        Node::SortBy(by) => forbids_operator(by.use_op()),
        _ => None,
    }
}

/// One that is written with the name of a schema may be anybody's.
fn forbids_operator(name: &NodeList) -> Option<String> {
    let names: Vec<&str> = name.iter().filter_map(Node::as_str).collect();
    match names.as_slice() {
        [] | [_] | ["pg_catalog", _] => None,
        names => Some(format!("uses the operator {}", names.join("."))),
    }
}

fn forbids_select(select: &SelectStmt) -> Option<&'static str> {
    if select.into_clause().is_some() {
        return Some("creates a table");
    }
    (!select.locking_clause().is_empty()).then_some("locks rows")
}

fn forbids_call(call: &FuncCall) -> Option<String> {
    let names: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
    let by_grammar = call.funcformat == raw::CoercionForm::COERCE_SQL_SYNTAX;
    let reads = match names.as_slice() {
        ["pg_catalog", "system_user"] => false,
        ["pg_catalog", name] if by_grammar || MADE_BY_GRAMMAR.contains(name) => true,
        [name] | ["pg_catalog", name] => functions::READS.binary_search(name).is_ok(),
        _ => false,
    };
    (!reads).then(|| format!("calls {}", names.join(".")))
}

fn answers_for_session(value: &SQLValueFunction) -> bool {
    use raw::SQLValueFunctionOp as Op;
    matches!(
        value.op,
        Op::SVFOP_CURRENT_ROLE
            | Op::SVFOP_CURRENT_USER
            | Op::SVFOP_USER
            | Op::SVFOP_SESSION_USER
            | Op::SVFOP_CURRENT_SCHEMA
    )
}
