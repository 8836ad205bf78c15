"""The contract that server, readers and wallets share: pure functions over bytes, time and keys."""
