/** Desk codes: eight characters of Crockford's base32, typed by people or read from a link. */

const LENGTH = 8;
const ALPHABET = /^[0-9A-HJKMNP-TV-Z]+$/;

/** The code as the server has it, or null. Case, spaces and hyphens do not matter; O, I and L are read as 0, 1, 1. */
export function readDeskCode(typed: string): string | null {
  const code = typed
    .normalize("NFKC")
    .toUpperCase()
    .replace(/[\s\u2010-\u2015-]/g, "")
    .replaceAll("O", "0")
    .replace(/[IL]/g, "1");
  return code.length === LENGTH && ALPHABET.test(code) ? `${code.slice(0, 4)}-${code.slice(4)}` : null;
}

/** A code from the address's fragment (`#enrol=K7QM-4TZP`), which no server sees; taken out of the address at once. */
export function takeCodeFromAddress(): string {
  const found = /^#enrol=([^&]{1,40})$/.exec(location.hash)?.[1];
  if (found === undefined) return "";
  history.replaceState(null, "", location.pathname);
  try {
    return decodeURIComponent(found);
  } catch {
    return "";
  }
}
