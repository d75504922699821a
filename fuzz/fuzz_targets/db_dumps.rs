#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clodo_db::fuzzing::db_dumps(data));
