//! What a bundle says of itself.

use super::Gone;
use crate::domain::ExceptionId;

/// The text for this exception. It is no evidence, and says so.
pub(super) fn readme(id: &ExceptionId, gone: Option<Gone>) -> String {
    let gone = gone.map(|gone| format!("\n{}; they are not in this bundle.\n", gone.told())).unwrap_or_default();
    format!(
        "# Evidence of {id}

Format: postern/bundle/v1. Everything that the gateway's journal says of this exception, each record with the proof that
it stands in the journal. Arguments of calls are in the records as their SHA-256 and sealed (encrypted); this bundle does
not open them.
{gone}
| file | what it is |
|---|---|
| records.jsonl | the records: sequence number, exact text, inclusion proof |
| checkpoint.txt | the signed statement of how many records there are and what they are (C2SP tlog-checkpoint) |
| key.txt | the newest key of the log (C2SP signed-note verifier key, Ed25519); records of the kind `signing` in records.jsonl say which keys signed before it |
| exception.json | for reading: revisions with digests, approvals with signatures, events, attestations, alarms, health of controls, removal tests, trials |
| decisions.csv | for reading: every decision and outcome |
| SHA256SUMS | the digests of the other files |
| README.md | this text |

The evidence is in records.jsonl, checkpoint.txt and key.txt. The two files for reading are made from the records, and
the verification makes them again and compares. This text and SHA256SUMS prove nothing by themselves.

## To verify

    postern report verify DIR --key KEY

needs no gateway and no network. KEY is the gateway's public key as you got it on another way (`signing.pub` in its data
folder); without it, the bundle is only held against the key that lies in it. The answer says how many records hold, and
which do not.

With other software:

1. `sha256sum -c SHA256SUMS`
2. checkpoint.txt: the signature is Ed25519 over the text up to and including the first line feed before the empty line;
   its base64 begins with the four bytes of the key's id. The second line is the number of records N, the third the root
   of the Merkle tree (RFC 6962), base64.
3. Each line of records.jsonl: the leaf is SHA-256 over a byte 0 and the UTF-8 bytes of `payload`; its index is `seq` - 1;
   `proof` is the audit path, base64. It must lead to the root for size N (RFC 9162 section 2.1.3.2).
4. Each event `submitted`: SHA-256 over the canonical JSON (RFC 8785) of `spec` is `digest`. Each event `approved`:
   `signature` is Ed25519 over the canonical JSON of the approval without `signature`, with `purpose` =
   `postern/approval/v1`, by the key of key.txt or one that a record of the kind `signing` names.
5. Each record of the kind `signing`: `signed_by_old` and `signed_by_new` are Ed25519 over the canonical JSON of the record
   without `kind` and both signatures, with `purpose` = `postern/signing-key/v1` and `lost` = whether `signed_by_old` is
   absent.

## What it shows, and what not

It shows that each record is in the journal that was signed, unchanged and at its place; that the events of the exception
are complete from the first to the last that is here (`version` is dense); and what was approved by whom. It does not show
that no decision was left out: for that, hold the whole journal (`postern evidence export`) against the same checkpoint.
"
    )
}
