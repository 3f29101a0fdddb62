//! Object identifiers of PostgreSQL's custom types, which binds need when they are collected.
//!
//! They are equal on a primary and its physical replicas, so one table serves all nodes. Binds are
//! collected before there is a connection: what is not in the table yet gets a placeholder, whose places
//! are found by collecting twice with different placeholders, and is filled in on the connection that
//! will run the statement.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::QueryResult;
use diesel::pg::{Pg, PgMetadataLookup, PgTypeMetadata};
use diesel::query_builder::QueryFragment;
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::result::Error;
use parking_lot::RwLock;

/// Schema, if the type names one, and name.
type TypeName = (Option<String>, String);

/// What is known of a database's custom types.
#[derive(Debug, Default)]
pub struct PostgresTypes {
    known: RwLock<HashMap<TypeName, Oids>>,
}

/// Of a type and of arrays of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Oids {
    pub(crate) own: u32,
    pub(crate) array: u32,
}

impl PostgresTypes {
    pub(crate) fn find(&self, name: &TypeName) -> Option<Oids> {
        self.known.read().get(name).copied()
    }

    pub(crate) fn learn(&self, name: TypeName, oids: Oids) {
        self.known.write().insert(name, oids);
    }

    /// A type may have been dropped and made again.
    pub(crate) fn forget(&self) {
        self.known.write().clear();
    }
}

/// The values of a query.
pub struct PostgresBinds {
    pub(crate) collected: Arc<RawBytesBindCollector<Pg>>,
    /// It uses types that are not built in.
    pub(crate) uses_custom: bool,
    pub(crate) missing: Vec<Missing>,
    places: Vec<Place>,
}

impl std::fmt::Debug for PostgresBinds {
    /// Leaves out the values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresBinds")
            .field("uses_custom", &self.uses_custom)
            .finish_non_exhaustive()
    }
}

/// A type that was not known when the binds were collected.
pub(crate) struct Missing {
    pub(crate) name: TypeName,
    placeholder: Oids,
}

/// Four bytes of a serialised value that hold a placeholder.
#[derive(Clone, Copy)]
struct Place {
    bind: usize,
    byte: usize,
    placeholder: u32,
}

/// The first pass writes this in place of each unknown identifier.
const BLANK: u32 = 0;

/// Answers what the binds ask for, and notes what it could not answer.
struct Lookup {
    types: Arc<PostgresTypes>,
    pass: Pass,
    uses_custom: bool,
    missing: Vec<Missing>,
    /// What the first pass was told: others may learn a type in between, and what was blank then has to
    /// be a placeholder now.
    told: HashMap<TypeName, Oids>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Every placeholder is blank.
    Blank,
    /// Each is its own.
    Numbered,
}

impl Lookup {
    fn placeholder(&mut self, name: TypeName) -> Oids {
        let known = self.missing.iter().find(|missing| missing.name == name);
        if let Some(missing) = known {
            return missing.placeholder;
        }
        // no server has come so far in numbering its objects
        let number = u32::try_from(self.missing.len()).unwrap_or(u32::MAX / 4);
        let placeholder = Oids {
            own: u32::MAX - 2 * number,
            array: u32::MAX - 2 * number - 1,
        };
        self.missing.push(Missing { name, placeholder });
        placeholder
    }
}

impl PgMetadataLookup for Lookup {
    fn lookup_type(&mut self, type_name: &str, schema: Option<&str>) -> PgTypeMetadata {
        self.uses_custom = true;
        let name = (schema.map(str::to_owned), type_name.to_owned());
        let oids = match (self.pass, self.types.find(&name)) {
            (Pass::Numbered, _) => match self.told.get(&name) {
                Some(oids) => *oids,
                None => self.placeholder(name),
            },
            (Pass::Blank, Some(oids)) => {
                self.told.insert(name, oids);
                oids
            }
            (Pass::Blank, None) => {
                self.placeholder(name);
                Oids {
                    own: BLANK,
                    array: BLANK,
                }
            }
        };
        PgTypeMetadata::new(oids.own, oids.array)
    }
}

/// Collects the binds of `query`, with placeholders for what `types` does not know.
pub(crate) fn collect<Q: QueryFragment<Pg>>(
    query: &Q,
    types: &Arc<PostgresTypes>,
) -> QueryResult<PostgresBinds> {
    let mut lookup = Lookup {
        types: Arc::clone(types),
        pass: Pass::Blank,
        uses_custom: false,
        missing: Vec::new(),
        told: HashMap::new(),
    };
    let mut blank = RawBytesBindCollector::<Pg>::new();
    query.collect_binds(&mut blank, &mut lookup, &Pg)?;
    if lookup.missing.is_empty() {
        return Ok(PostgresBinds {
            collected: Arc::new(blank),
            uses_custom: lookup.uses_custom,
            missing: Vec::new(),
            places: Vec::new(),
        });
    }
    lookup.pass = Pass::Numbered;
    let mut numbered = RawBytesBindCollector::<Pg>::new();
    query.collect_binds(&mut numbered, &mut lookup, &Pg)?;
    let places = places(&blank.binds, &numbered.binds, &lookup.missing);
    Ok(PostgresBinds {
        collected: Arc::new(numbered),
        uses_custom: true,
        missing: lookup.missing,
        places,
    })
}

/// Where the second pass wrote a placeholder and the first a blank.
fn places(
    blank: &[Option<Vec<u8>>],
    numbered: &[Option<Vec<u8>>],
    missing: &[Missing],
) -> Vec<Place> {
    let placeholders = missing.iter().map(|missing| missing.placeholder);
    let placeholders: Vec<u32> = placeholders.flat_map(|p| [p.own, p.array]).collect();
    let mut places = Vec::new();
    for (bind, pair) in blank.iter().zip(numbered).enumerate() {
        let (Some(blank), Some(numbered)) = pair else {
            continue;
        };
        let windows = blank.windows(4).zip(numbered.windows(4)).enumerate();
        places.extend(windows.filter_map(|(byte, (blank, numbered))| {
            let placeholder = u32::from_be_bytes(numbered.try_into().ok()?);
            let is_place = blank == BLANK.to_be_bytes() && placeholders.contains(&placeholder);
            is_place.then_some(Place {
                bind,
                byte,
                placeholder,
            })
        }));
    }
    places
}

/// Puts what the server said in place of the placeholders; `found` in the order of `missing`.
pub(crate) fn fill_in(
    binds: &PostgresBinds,
    found: &[Oids],
) -> QueryResult<RawBytesBindCollector<Pg>> {
    let pairs = binds
        .missing
        .iter()
        .zip(found)
        .flat_map(|(missing, found)| {
            let placeholder = missing.placeholder;
            [
                (placeholder.own, found.own),
                (placeholder.array, found.array),
            ]
        });
    let real: HashMap<u32, u32> = pairs.collect();
    let real_of = |oid: u32| real.get(&oid).copied().unwrap_or(oid);
    let mut filled = RawBytesBindCollector::<Pg>::new();
    filled.binds.clone_from(&binds.collected.binds);
    for metadata in &binds.collected.metadata {
        let unreadable =
            |error: Box<dyn std::error::Error + Send + Sync>| Error::SerializationError(error);
        let own = metadata.oid().map_err(|e| unreadable(Box::new(e)))?;
        let array = metadata.array_oid().map_err(|e| unreadable(Box::new(e)))?;
        filled
            .metadata
            .push(PgTypeMetadata::new(real_of(own), real_of(array)));
    }
    for place in &binds.places {
        let value = filled.binds.get_mut(place.bind).and_then(Option::as_mut);
        let bytes = value.and_then(|value| value.get_mut(place.byte..place.byte + 4));
        if let Some(bytes) = bytes {
            bytes.copy_from_slice(&real_of(place.placeholder).to_be_bytes());
        }
    }
    Ok(filled)
}
