//! The quick start under Diesel as a user runs it.

use anyhow::Result;
use bookshop::trial::Trial;

const QUICKSTART: Trial = Trial {
    program: env!("CARGO_BIN_EXE_quickstart-diesel"),
};

#[test]
fn bookshop_on_one_sqlite_file_reads_from_both_replicas() -> Result<()> {
    QUICKSTART.reads_from_both_replicas_of_one_file()
}

#[cfg(target_os = "linux")]
#[test]
fn bookshop_on_delayed_replicas_reads_its_own_writes_from_the_primary() -> Result<()> {
    QUICKSTART.reads_its_own_writes_on_delayed_replicas()
}

#[test]
fn every_node_takes_what_it_is_for() -> Result<()> {
    QUICKSTART.gives_every_node_what_it_is_for()
}

#[test]
fn unknown_argument_is_refused_by_name() -> Result<()> {
    QUICKSTART.refuses_an_unknown_argument_by_name()
}
