import assert from "node:assert/strict";
import { withoutSecrets } from "../../../../fleet/text/masking";

describe("masking secrets", () => {
  for (const [what, text, shown] of [
    ["what is known", "the word is hunter22, hunter22", "the word is ***, ***"],
    [
      "a private key",
      "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\nz",
      "a\n***\nz",
    ],
    ["a private key that is cut off", "-----BEGIN PRIVATE KEY-----\nb3Bl", "***"],
    ["an access key", "id AKIAIOSFODNN7EXAMPLE.", "id AKIA***."],
    ["a setting", '{"Token": "abcdef", "a": 1}', '{"Token": "***", "a": 1}'],
    ["a variable", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7", "AWS_SECRET_ACCESS_KEY=***"],
    ["a header", "Authorization: Bearer abc.def", "Authorization: Bearer ***"],
    ["a URL", "nats://user:pass@host:4222", "nats://user:***@host:4222"],
  ] as const) {
    it(`hides ${what}`, () => assert.equal(withoutSecrets(text, ["hunter22", ""]), shown));
  }
  it("leaves the rest as it is", () => {
    const text =
      'TOKEN=$(curl -X PUT http://169.254.169.254) "token: $TOKEN"\nsshd[1]: Accepted publickey for ubuntu from 198.18.0.1\nSTEP units: ok: 4 units\n';
    assert.equal(withoutSecrets(text, []), text);
  });
});
