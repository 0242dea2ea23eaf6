//! A server that speaks Azure's protocol: Microsoft's own emulator Azurite, an npm package, started and stopped here.
//! `PLIMSOLL_AZURITE` names the folder that `npm install azurite` was run in; without it the tests say that they are
//! skipped.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The account that the emulator always has, and its key, as its manual gives them to everybody.
pub const ACCOUNT: &str = "devstoreaccount1";
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The server. It stops when it is dropped.
pub struct Azurite {
    child: Child,
    pub endpoint: String,
    _folder: tempfile::TempDir,
}

impl Azurite {
    /// Starts it; nothing if nobody says where it is.
    pub fn start() -> Option<Self> {
        let Some(place) = std::env::var_os("PLIMSOLL_AZURITE") else {
            eprintln!("skipped: PLIMSOLL_AZURITE does not say where the npm package azurite is");
            return None;
        };
        let program = PathBuf::from(place).join("node_modules/azurite/dist/src/blob/main.js");
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("node")
            .arg(program)
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"])
            .args(["--skipApiVersionCheck", "--disableTelemetry"])
            // It writes a configuration where it is started.
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("successfully listens on ")?;
            Some(address.trim().to_owned())
        });
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let address = address.unwrap_or_else(|| panic!("azurite does not say where it listens"));
        let endpoint = format!("{address}/{ACCOUNT}");
        Some(Self { child, endpoint, _folder: folder })
    }
}

impl Azurite {
    /// Makes a container, as its owner would: with a signed request, which node can make without any package.
    pub fn container(&self, name: &str) {
        const SCRIPT: &str = r#"
            const [endpoint, account, key, name] = process.argv.slice(1);
            const date = new Date().toUTCString(), version = "2021-08-06";
            const resource = `/${account}/${account}/${name}\nrestype:container`;
            const text = "PUT" + "\n".repeat(12) + `x-ms-date:${date}\nx-ms-version:${version}\n${resource}`;
            const hmac = require("crypto").createHmac("sha256", Buffer.from(key, "base64"));
            const headers = {
                "x-ms-date": date, "x-ms-version": version, "content-length": 0,
                authorization: `SharedKey ${account}:${hmac.update(text).digest("base64")}`,
            };
            const ask = require("http").request(`${endpoint}/${name}?restype=container`, { method: "PUT", headers });
            ask.on("response", (answer) => process.exit(answer.statusCode === 201 ? 0 : 1)).end();
        "#;
        let made = Command::new("node").args(["-e", SCRIPT, &self.endpoint, ACCOUNT, KEY, name]).status();
        assert!(made.is_ok_and(|status| status.success()), "the container could not be made");
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
