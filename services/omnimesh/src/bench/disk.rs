//! How long the disk takes to keep something: no commit is faster.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::process::Command;

use super::{report::Disk, rounds::float};

/// A page of Postgres.
const BLOCK: [u8; 8_192] = [0; 8_192];

/// Writes a block and has the disk keep it, again and again.
pub(super) fn write_and_sync(folder: &Path, time: Duration) -> Result<Disk> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let (start, mut times) = (Instant::now(), 0u64);
    while start.elapsed() < time {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times += 1;
    }
    let per_second = float(times) / start.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(Disk { what: "8 kB write and fdatasync".into(), per_second })
}

/// What `pg_test_fsync` says of the disk of `folder`, if it is installed.
pub(super) async fn pg_test_fsync(folder: &Path) -> Result<Vec<Disk>> {
    let Some(program) = program() else { return Ok(Vec::new()) };
    let file = folder.join("pg_test_fsync");
    let ran = Command::new(program).args(["-s", "1", "-f"]).arg(&file).output().await?;
    Ok(parse(&String::from_utf8_lossy(&ran.stdout)))
}

/// Debian keeps Postgres' programs out of the path.
fn program() -> Option<PathBuf> {
    const NAME: &str = "pg_test_fsync";
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).map(|folder| folder.join(NAME));
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.chain(debian.map(|version| version.path().join("bin").join(NAME))).find(|path| path.is_file())
}

/// The lines of the first part, one 8 kB write: `fdatasync   1234.567 ops/sec   810 usecs/op`.
fn parse(text: &str) -> Vec<Disk> {
    let part = text.lines().skip_while(|line| !line.contains("using one 8kB write")).skip(1);
    let part = part.take_while(|line| !line.starts_with("Compare"));
    part.filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (what, rate, unit) = (words.next()?, words.next()?, words.next()?);
        let per_second = rate.parse().ok()?;
        (unit == "ops/sec").then(|| Disk { what: format!("pg_test_fsync {what}"), per_second })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pg_test_fsync_says_is_read() {
        let text = "1 second per test\n\nCompare file sync methods using one 8kB write:\n(in wal_sync_method preference order, except fdatasync is Linux's default)\n        open_datasync                      1412.337 ops/sec     708 usecs/op\n        fdatasync                          1500.000 ops/sec     666 usecs/op\n        fsync_writethrough                              n/a\n\nCompare file sync methods using two 8kB writes:\n        open_datasync                       700.000 ops/sec    1400 usecs/op\n";
        let found: Vec<_> = parse(text).into_iter().map(|disk| (disk.what, disk.per_second)).collect();
        assert_eq!(
            found,
            [("pg_test_fsync open_datasync".to_owned(), 1_412.337), ("pg_test_fsync fdatasync".to_owned(), 1_500.0)]
        );
    }

    #[test]
    fn the_disk_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let disk = write_and_sync(folder.path(), Duration::from_millis(20)).unwrap();
        assert!(disk.per_second > 0.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
