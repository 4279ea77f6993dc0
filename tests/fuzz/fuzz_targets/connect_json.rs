#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| omnimesh_tests::fuzz::run("connect_json", data));
