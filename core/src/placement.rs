//! What is said of a replica beside its address: how much it takes, and where it stands.
//!
//! Decides what is accepted.

use std::sync::Arc;

use crate::config::ConfigError;

/// A replica's weight and zone.
///
/// ```
/// use orm_split_core::Placement;
///
/// // twice the machine that the others are, and next door
/// let placement = Placement::new().weight(2).zone("eu-1a");
/// assert!(placement.validate("replica-1").is_ok());
///
/// let error = Placement::new().weight(0).validate("replica-1").unwrap_err();
/// assert_eq!(error.to_string(), "replica-1.weight: 0 is not accepted; use 0.01 to 100");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    pub(crate) weight: f64,
    pub(crate) zone: Option<Arc<str>>,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            weight: 1.0,
            zone: None,
        }
    }
}

impl Placement {
    /// Weight 1, in no zone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much of the reads the replica should take in proportion to the others. Default 1; 0.01 to 100. Of
    /// two that are equally fast, one of weight 2 has twice the statements in flight.
    #[must_use]
    pub fn weight(mut self, weight: impl Into<f64>) -> Self {
        self.weight = weight.into();
        self
    }

    /// Where the replica stands: any name, as long as the builder's `zone` is of the same kind. Default none,
    /// which is no zone that anybody is in.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Checks every field, for the replica `name`.
    ///
    /// # Errors
    /// The first field whose value is not accepted.
    pub fn validate(&self, name: &str) -> Result<(), ConfigError> {
        if !(0.01..=100.0).contains(&self.weight) {
            let value = self.weight.to_string();
            return Err(ConfigError::new(
                format!("{name}.weight"),
                value,
                "0.01 to 100",
            ));
        }
        match &self.zone {
            Some(zone) => check_zone(&format!("{name}.zone"), zone),
            None => Ok(()),
        }
    }
}

/// A zone that was left empty is a variable that was not set: nothing would ever be local.
pub(crate) fn check_zone(field: &str, zone: &str) -> Result<(), ConfigError> {
    match zone.trim() {
        "" => Err(ConfigError::new(
            field,
            format!("{zone:?}"),
            "a name, or leave it out",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::zero(0.0)]
    #[case::negative(-1.0)]
    #[case::too_heavy(100.1)]
    #[case::no_number(f64::NAN)]
    fn a_weight_out_of_range_is_refused_by_name(#[case] weight: f64) {
        let error = Placement::new().weight(weight).validate("replica-2");
        assert_eq!(error.unwrap_err().field, "replica-2.weight");
    }

    #[test]
    fn an_empty_zone_is_refused_by_name() {
        let error = Placement::new().zone(" ").validate("replica-2");
        assert_eq!(error.unwrap_err().field, "replica-2.zone");
    }
}
