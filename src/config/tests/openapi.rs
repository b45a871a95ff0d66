//! APIs in the configuration: their documents are checked with it, and all faults are told at once.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::{
    config::{Settings, Transport, load},
    domain::Findings,
};

const API: &str = r#"{"openapi": "3.1.0", "paths": {
    "/now": {"get": {"operationId": "now", "tags": ["forecast"]}},
    "/map": {"post": {"operationId": "map", "requestBody": {"content": {"multipart/form-data": {}}}}}
}}"#;

fn read(server: &str) -> Result<Settings, Findings> {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    put("api.json", API);
    put("old.json", r#"{"swagger": "2.0"}"#);
    put("weather.key", "Bearer weather-key-1\n");
    put("postern.yaml", &format!("servers:\n  weather:\n{server}"));
    load(&folder.path().join("postern.yaml"), true, &|_| None)
}

fn faults(server: &str) -> Vec<String> {
    let findings = read(server).unwrap_err();
    let name = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
    findings.0.iter().map(|f| format!("{} {} {}: {}", name(&f.file), f.line, f.path, f.message)).collect()
}

#[test]
fn an_api_has_its_document_its_place_and_its_credentials() {
    let settings = read(
        "    openapi:
      document: api.json
      url: https://api.example.org/v1
      include: {tags: [forecast], operations: [map]}
      headers: {Authorization: {file: weather.key}}
      response_kib: 64
",
    )
    .unwrap();
    let Transport::OpenApi(api) = &settings.servers[&"weather".parse().unwrap()].transport else { panic!("openapi") };
    assert_eq!(api.headers["authorization"].expose(), "Bearer weather-key-1");
    assert_eq!((api.response, api.encoded_slashes), (64 << 10, false));
    assert_eq!(api.left_out.0.len(), 1);
    assert!(api.left_out.to_string().contains("the operation `map` is left out"), "{}", api.left_out);
}

#[test]
fn faults_of_an_api_and_of_its_document_are_told_together() {
    assert_eq!(
        faults(
            "    openapi:
      document: api.json
      url: http://127.0.0.1:1/v1?key=1
      include: {tags: [forcast], operations: [now, maps]}
      headers: {authorization: Bearer x, host: a}
      query: {api_key: plain}
      response_kib: 4096
"
        ),
        [
            "api.json 0 /paths: no operation `maps` to include; the nearest is `map`",
            "api.json 0 /paths: no tag `forcast` to include; the nearest is `forecast`",
            "postern.yaml 5 /servers/weather/openapi/url: a server on loopback needs `allow_private: true`",
            "postern.yaml 5 /servers/weather/openapi/url: must not hold a query; use `query` for what every request carries",
            "postern.yaml 7 /servers/weather/openapi/headers/authorization: a secret does not stand in this file; write `{env: NAME}` or `{file: PATH}`",
            "postern.yaml 7 /servers/weather/openapi/headers/host: the gateway sets this header itself; remove it",
            "postern.yaml 8 /servers/weather/openapi/query/api_key: a secret does not stand in this file; write `{env: NAME}` or `{file: PATH}`",
            "postern.yaml 9 /servers/weather/openapi/response_kib: 4096 is greater than the maximum of 2048",
        ]
    );
    assert_eq!(
        faults("    openapi: {document: old.json, include: {}}\n    stdio: {command: /bin/true}\n"),
        ["postern.yaml 2 /servers/weather: give exactly one of `stdio`, `http` and `openapi`"]
    );
    assert_eq!(
        faults("    openapi: {document: old.json, include: {}}\n"),
        [
            "old.json 0 /swagger: this is Swagger 2.0; convert it to OpenAPI 3.0 or 3.1",
            "postern.yaml 3 /servers/weather/openapi/include: names nothing; leave it out to offer every operation",
        ]
    );
    assert!(faults("    openapi: {document: none.json}\n")[0].contains("is not a file; create it"));
    assert!(faults("    openapi: {document: 'ftp://x/y'}\n")[0].contains("must begin with http:// or https://"));
    let unplaced = faults("    openapi: {document: api.json}\n");
    assert_eq!(unplaced, ["api.json 0 /servers: the document does not say where the API is; set `openapi.url`"]);
}
