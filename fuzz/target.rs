//! Every fuzz target: the reader of its binary's name, fed as the corpus of the tests feeds it.

#![no_main]
#![allow(dead_code, reason = "the corpus uses what a target does not")]

#[path = "../tests/it/corpus/feed.rs"]
mod feed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    feed::feed(env!("CARGO_BIN_NAME"), bytes);
});
