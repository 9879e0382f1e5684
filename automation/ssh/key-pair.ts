import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { utils } from "ssh2";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { writeFileAtomic } from "../../system/atomic-file";

/** The key pair that logs in on the nodes. */
export interface KeyPair {
  privateKeyPath: string;
  /** One line in authorized_keys form, without comment. */
  publicKey: string;
}

/** The fleet's own key pair is whole in `folder`. */
export function hasFleetKeyPair(folder: string): boolean {
  return existsSync(path.join(folder, KEY)) && existsSync(path.join(folder, `${KEY}.pub`));
}

const KEY = "id_ed25519";

/**
 * The fleet's own key pair in `folder`, made when there is none and `mayMake` allows it. A pair that is lost while
 * nodes run is never made anew silently: it could log in nowhere.
 * @throws SpotError E_KEY_LOST, E_SSH_KEY
 */
export function fleetKeyPair(folder: string, mayMake: boolean): KeyPair {
  const privateKeyPath = path.join(folder, KEY);
  const publicKeyPath = `${privateKeyPath}.pub`;
  if (!hasFleetKeyPair(folder)) {
    if (!mayMake) {
      throw new SpotError("E_KEY_LOST", {
        message: `the fleet's SSH key ${privateKeyPath} is not there, and nodes that trust it are running`,
      });
    }
    const pair = newPair();
    writeFileAtomic(privateKeyPath, pair.private, 0o600);
    writeFileAtomic(publicKeyPath, `${pair.public}\n`);
  }
  return { privateKeyPath, publicKey: readPublicKey(publicKeyPath) };
}

type Generate = () => { public: string; private: string };
const generate: Generate = () => utils.generateKeyPairSync("ed25519", { comment: "spot-deployer" });

/**
 * A new pair that can be read again: ssh2 1.17 drops a leading zero byte of the public key, so one pair in 256 is
 * broken (measured: 12 of 3,000).
 */
export function newPair(make: Generate = generate): ReturnType<Generate> {
  for (;;) {
    const pair = make();
    if (![pair.public, pair.private].some((text) => utils.parseKey(text) instanceof Error)) return pair;
  }
}

/**
 * The pair that the user named in config.yaml.
 * @throws SpotError E_SSH_KEY for a missing file, one that holds no key, or two that do not belong together
 */
export function userKeyPair(privateKeyPath: string, publicKeyPath: string): KeyPair {
  // The private key first: it is the one that is named, the other's path often follows from it.
  const secret = parse(privateKeyPath);
  refuseOpenKey(privateKeyPath);
  const publicKey = readPublicKey(publicKeyPath);
  if (!secret.isPrivateKey()) throw new SpotError("E_SSH_KEY", { message: `${privateKeyPath} holds no private key` });
  const belongs = secret.getPublicSSH().equals(parse(publicKeyPath).getPublicSSH());
  if (!belongs) throw new SpotError("E_SSH_KEY", { message: `${publicKeyPath} does not belong to ${privateKeyPath}` });
  return { privateKeyPath, publicKey };
}

/** OpenSSH refuses such a key, too: what every user of the machine can read is no secret. */
function refuseOpenKey(file: string): void {
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new SpotError("E_SSH_KEY", {
    message: `the private key ${file} can be read by others (mode ${mode.toString(8).padStart(4, "0")})`,
    next: `Run \`chmod 600 ${file}\`.`,
    step: outside("free-file", again()),
  });
}

function readPublicKey(file: string): string {
  const key = parse(file);
  if (key.isPrivateKey()) {
    throw new SpotError("E_SSH_KEY", { message: `${file} holds a private key where the public one belongs` });
  }
  return `${key.type} ${key.getPublicSSH().toString("base64")}`;
}

function parse(file: string): Exclude<ReturnType<typeof utils.parseKey>, Error> {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (cause) {
    throw new SpotError("E_SSH_KEY", { message: `the SSH key ${file} cannot be read`, cause });
  }
  const parsed: unknown = utils.parseKey(content);
  const key = Array.isArray(parsed) ? (parsed as unknown[])[0] : parsed;
  if (key instanceof Error) {
    const locked = /encrypted|passphrase/i.test(key.message);
    throw new SpotError("E_SSH_KEY", {
      message: locked
        ? `the SSH key ${file} is protected by a passphrase, which cannot be asked for here`
        : `${file} holds no SSH key`,
      cause: key,
    });
  }
  return key as Exclude<ReturnType<typeof utils.parseKey>, Error>;
}
