//! One text that is passed off as a token, or as the cookie that holds some: the first byte says how it is
//! made of the others.

#![no_main]

#[path = "../../tests/fake/mod.rs"]
mod fake;
#[path = "../../tests/forgeries/mod.rs"]
mod forgeries;
mod layer;

use fake::World;
use forgeries::{Fields, SECRETS};
use libfuzzer_sys::fuzz_target;
use orm_split_core::{SessionKey, TokenKeys};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static HERE: (Runtime, World) = start();
}

/// Virtual time, and a primary that is ahead of its one replica.
fn start() -> (Runtime, World) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let world = runtime.block_on(World::start(1, forgeries::options()));
    world.primary().set(|primary| primary.position = 164);
    (runtime, world)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&way, bytes)) = bytes.split_first() else {
        return;
    };
    HERE.with(|(runtime, world)| runtime.block_on(run(world, way, bytes)));
});

async fn run(world: &World, way: u8, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match way {
        0..50 => drop(forgeries::check(world, &text).await),
        50..100 => drop(forgeries::check(world, &signed(bytes)).await),
        100..150 => {
            let token = signed(&[0; 40]);
            let changed = changed(token.clone(), bytes);
            forgeries::check_changed(world, &token, &changed).await;
        }
        150..200 => layer::check(world, way % 2 == 0, &cookie(bytes)).await,
        200..255 => made(world).await,
        255 => forgeries::check_long(world, if text.is_empty() { "A" } else { &text }).await,
    }
}

/// A token whose fields are near those that are accepted, or far off.
fn signed(bytes: &[u8]) -> String {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let number = |at: usize| {
        let bytes = std::array::from_fn(|index| byte(at + index));
        u64::from_be_bytes(bytes)
    };
    let which = byte(0);
    let near = |bit: u8, near: u64, far: u64| if which & bit == 0 { near } else { far };
    let fields = Fields {
        version: if which & 1 == 0 { 1 } else { byte(2) },
        expires: near(
            2,
            forgeries::now() + 60 - u64::from(byte(3) % 120),
            number(3),
        ),
        system: near(4, 1, number(11)),
        timeline: u32::try_from(near(8, 1, number(19) >> 32)).expect("32 bits"),
        position: near(16, u64::from(byte(23)), number(23)),
    };
    let secret = SECRETS[usize::from(byte(1)) % SECRETS.len()];
    fields.signed(secret)
}

/// Changes as the bytes say, three for each: what, where, and to what.
fn changed(token: String, bytes: &[u8]) -> String {
    let mut text = token.into_bytes();
    for change in bytes.chunks_exact(3) {
        let at = usize::from(change[1]) % (text.len() + 1);
        let to = change[2] & 127;
        match change[0] % 5 {
            0 => text.insert(at, to),
            1 => text.truncate(at),
            2 => text.rotate_left(at),
            _ if at == text.len() => text.push(to),
            3 => drop(text.remove(at)),
            _ => text[at] = to,
        }
    }
    String::from_utf8(text).expect("ASCII")
}

/// The bytes, with a token in the place of each 255.
fn cookie(bytes: &[u8]) -> Vec<u8> {
    let token = signed(&[0; 40]);
    let bytes = bytes.iter();
    let bytes = bytes.flat_map(|byte| match byte {
        255 => token.as_bytes(),
        byte => std::slice::from_ref(byte),
    });
    bytes.copied().collect()
}

/// The library's own token, of a session that has written just now.
async fn made(world: &World) {
    let session = SessionKey::made();
    let mut position = 0;
    world.primary().set(|primary| {
        primary.position += 64;
        position = primary.position;
    });
    world.splitter.wrote(session);
    let token = world.splitter.token([session]).await.expect("a token");
    forgeries::check_made(&token, position);
    assert!(forgeries::check(world, token.as_str()).await, "{token}");
    world.splitter.end_session(session);
}
