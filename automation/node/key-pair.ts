import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { utils } from "ssh2";
import { SpotError } from "../../fleet/errors";

/** The key pair that logs in on the nodes. */
export interface KeyPair {
  privateKeyPath: string;
  /** One line in authorized_keys form, without comment. */
  publicKey: string;
}

/**
 * The fleet's own key pair in `folder`, made when there is none and `mayMake` allows it. A pair that is lost while
 * nodes run is never made anew silently: it could log in nowhere.
 * @throws SpotError E_KEY_LOST, E_SSH_KEY
 */
export function fleetKeyPair(folder: string, mayMake: boolean): KeyPair {
  const privateKeyPath = path.join(folder, "id_ed25519");
  const publicKeyPath = `${privateKeyPath}.pub`;
  if (!existsSync(privateKeyPath) || !existsSync(publicKeyPath)) {
    if (!mayMake) {
      throw new SpotError("E_KEY_LOST", { message: `the fleet's SSH key ${privateKeyPath} is not there, and nodes that trust it are running` });
    }
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const pair = utils.generateKeyPairSync("ed25519", { comment: "spot-deployer" });
    writeFileSync(privateKeyPath, pair.private, { mode: 0o600 });
    writeFileSync(publicKeyPath, `${pair.public}\n`, { mode: 0o644 });
  }
  return { privateKeyPath, publicKey: readPublicKey(publicKeyPath) };
}

/**
 * The pair that the user named in config.yaml.
 * @throws SpotError E_SSH_KEY for a missing file, one that holds no key, or two that do not belong together
 */
export function userKeyPair(privateKeyPath: string, publicKeyPath: string): KeyPair {
  const publicKey = readPublicKey(publicKeyPath);
  const secret = parse(privateKeyPath);
  if (!secret.isPrivateKey()) throw new SpotError("E_SSH_KEY", { message: `${privateKeyPath} holds no private key` });
  const belongs = secret.getPublicSSH().equals(parse(publicKeyPath).getPublicSSH());
  if (!belongs) throw new SpotError("E_SSH_KEY", { message: `${publicKeyPath} does not belong to ${privateKeyPath}` });
  return { privateKeyPath, publicKey };
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
      message: locked ? `the SSH key ${file} is protected by a passphrase, which cannot be asked for here` : `${file} holds no SSH key`,
      cause: key,
    });
  }
  return key as Exclude<ReturnType<typeof utils.parseKey>, Error>;
}
