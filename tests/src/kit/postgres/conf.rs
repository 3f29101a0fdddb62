//! The text of the configuration files.
//!
//! Fast and quiet: nothing is synced, and neither autovacuum nor timed
//! checkpoints run, so that nothing cancels a replica's query but the test. What
//! orm-split observes (replay, positions, errors) is left at its defaults.

use std::fmt::Write as _;
use std::time::Duration;

use super::{ADMIN_ROLE, APP_ROLE};

/// Who may log in, and how: only the kit does so without a password.
pub(super) fn hba() -> String {
    format!(
        "host all {ADMIN_ROLE} 127.0.0.1/32 trust\n\
         host replication {ADMIN_ROLE} 127.0.0.1/32 trust\n\
         host all all 127.0.0.1/32 scram-sha-256\n"
    )
}

/// What every server has in common.
const COMMON: &str = "\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 16MB
# a file in the data folder: a killed server leaves nothing in /dev/shm
dynamic_shared_memory_type = mmap
fsync = off
full_page_writes = off
autovacuum = off
checkpoint_timeout = 1h
wal_level = replica
max_wal_senders = 20
# a replica that was away finds what it missed
wal_keep_size = 512MB
hot_standby = on
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
restart_after_crash = on
password_encryption = scram-sha-256
jit = off
log_checkpoints = off
log_line_prefix = '%m [%p] %q%u@%d '
";

/// A server's `postgresql.conf`; of two equal names the later one counts.
pub(super) fn server(port: u16, settings: &[(String, String)]) -> String {
    let mut text = COMMON.to_owned();
    line(&mut text, "port", &port.to_string());
    for (name, value) in settings {
        line(&mut text, name, value);
    }
    text
}

/// What a replica adds.
pub(super) fn replica(upstream: u16, name: &str, delay: Duration) -> String {
    let mut text = String::new();
    line(&mut text, "primary_conninfo", &conninfo(upstream, name));
    line(&mut text, "recovery_min_apply_delay", &milliseconds(delay));
    text
}

/// Where a replica streams from, and under which name it shows up there.
pub(super) fn conninfo(upstream: u16, name: &str) -> String {
    format!("host=127.0.0.1 port={upstream} user={ADMIN_ROLE} application_name={name}")
}

/// A duration as a setting.
pub(super) fn milliseconds(delay: Duration) -> String {
    format!("{}ms", delay.as_millis())
}

/// The statements that make the application's role.
///
/// Run in single-user mode, where each line is one statement.
pub(super) fn roles() -> String {
    format!(
        "CREATE ROLE {APP_ROLE} LOGIN PASSWORD '{}';\n",
        super::APP_PASSWORD
    )
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    writeln!(text, "{name} = {}", quoted(value)).unwrap_or_default();
}

/// A value as an SQL string or a configuration value: both double the quotes.
pub(super) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_setting_overrides_an_earlier_one() {
        let text = server(5432, &[("autovacuum".into(), "on".into())]);
        assert!(
            text.find("autovacuum = off") < text.find("autovacuum = 'on'"),
            "{text}"
        );
    }

    #[test]
    fn quotes_in_values_are_doubled() {
        assert_eq!(quoted("it's"), "'it''s'");
    }
}
