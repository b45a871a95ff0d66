//! Signatures of webhooks, as the Standard Webhooks specification has them.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::domain::Secret;

/// Bytes that a key has at least.
const LEAST: usize = 24;
/// Bytes that a key has at most.
const MOST: usize = 64;

/// Signs what is sent to one receiver: HMAC-SHA256 over id, time and body.
#[derive(Debug)]
pub struct Signer(hmac::Key);

impl Signer {
    /// A signer with this secret: `whsec_` and base64 of 24 to 64 bytes, or 24 to 64 characters as they are.
    ///
    /// # Errors
    /// It is neither.
    pub fn new(secret: &Secret<String>) -> Result<Self, String> {
        let text = secret.expose();
        let key = match text.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| "what follows `whsec_` is not base64".to_owned())?,
            None => text.as_bytes().to_vec(),
        };
        if !(LEAST..=MOST).contains(&key.len()) {
            return Err(format!("the secret has {} bytes; {LEAST} to {MOST} are wanted", key.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign().as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::Signer;
    use crate::domain::Secret;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_what_other_implementations_compute() {
        let signer = Signer::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())).unwrap();
        let signed = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(Signer::new(&Secret::new("short".to_owned())).unwrap_err().contains("24 to 64"));
    }
}
