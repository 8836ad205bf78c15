"""How members of staff show that it is them, apart from the staff token of `network_file`.

- `passwords`, `totp`, `recovery`: a password together with the code of an authenticator app, or a recovery code
- `passkeys`: WebAuthn, with the authenticator's own check of its person
- `oidc`: an OpenID provider that the operator trusts
- `links`: the enrolment link with which somebody sets these up
- `api_tokens`: what a person makes for programs
- `attempts`: waits that grow with what was tried in vain
- `credentials`: what somebody has of all this, and its end
- `by_password`: the check of a password with its code, from the first look to the session

What somebody may do is the network file's to say, whatever they signed in with.
"""
