"""What each kind of event is called, and the kinds of record that events are about.

An event that has no words here is shown by its name, so that nothing in the log is hidden; a test holds that each that
the server writes has some.
"""

from collections.abc import Mapping

from waypass_server.console.words import mark

EVENTS: Mapping[str, str] = {
    "authority.added": mark("An authority was added"),
    "authority.changed": mark("An authority was changed"),
    "basis.approved": mark("A basis was put in force"),
    "basis.proposed": mark("A basis was proposed"),
    "console.signed-in": mark("Signed in at the console"),
    "desk-code.made": mark("A desk code was made"),
    "entry.approved": mark("An entry was approved"),
    "entry.case": mark("The state of a case was recorded"),
    "entry.confirmed": mark("An entry was confirmed past a limit"),
    "entry.dismiss": mark("An entry ended with its case"),
    "entry.expire": mark("An entry expired"),
    "entry.held": mark("An entry was approved and held past a limit"),
    "entry.in-effect": mark("An entry took effect"),
    "entry.lapse": mark("An entry lapsed"),
    "entry.lift": mark("An entry was lifted"),
    "entry.notified": mark("The notice of an entry was delivered"),
    "entry.proposed": mark("An entry was proposed"),
    "entry.reconfirmed": mark("An entry was reconfirmed at its source"),
    "entry.undo": mark("An entry was undone"),
    "entry.withdraw": mark("An entry was withdrawn"),
    "exemption.ended": mark("An exemption was ended"),
    "exemption.granted": mark("An exemption was granted"),
    "fact.recorded": mark("A fact was recorded"),
    "fact.reinstated": mark("A fact was reinstated"),
    "fact.withdrawn": mark("A fact was withdrawn"),
    "key.added": mark("A key was added"),
    "key.changed": mark("A key was changed"),
    "limit.agreed": mark("A change of a limit was agreed to"),
    "limit.passed": mark("A limit was passed: alarm"),
    "limit.proposed": mark("A change of a limit was proposed"),
    "limit.withdrawn": mark("A change of a limit was taken back"),
    "network.added": mark("The network was defined"),
    "objection.lapsed": mark("An objection was not decided in time"),
    "objection.lifted": mark("An objection was decided: lifted"),
    "objection.made": mark("An objection was made"),
    "objection.upheld": mark("An objection was decided: upheld"),
    "paper-pass.issued": mark("A paper pass was issued"),
    "passes.issued": mark("Passes were issued"),
    "person.forgotten": mark("A person was forgotten"),
    "person.looked-up": mark("A person was searched for"),
    "person.not-found": mark("A person was searched for in vain"),
    "person.registered": mark("A person was registered"),
    "rule-proposal.made": mark("A rule proposed an entry"),
    "rule-proposal.taken-up": mark("A rule's proposal was taken up"),
    "rule-proposal.turned-down": mark("A rule's proposal was turned down"),
    "rule-set.approved": mark("Rules were put in force"),
    "rule-set.ended": mark("Rules were ended"),
    "rule-set.proposed": mark("Rules were proposed"),
    "rule-set.shadow": mark("Rules were counted in a shadow run"),
    "scope.added": mark("A service was added"),
    "scope.changed": mark("A service was changed"),
    "staff.added": mark("A member of staff was added"),
    "staff.changed": mark("A member of staff was changed"),
    "staff.new-token": mark("A member of staff got a new token"),
    "staff.token-void": mark("A staff token was made void"),
    "wallet.enrolled": mark("A wallet was set up"),
    "withdrawal.done": mark("Passes were withdrawn in an emergency"),
    "withdrawal.waiting": mark("An emergency withdrawal was asked for"),
}

KINDS: Mapping[str, str] = {
    "entry": mark("entries"),
    "objection": mark("objections"),
    "exemption": mark("exemptions"),
    "withdrawal": mark("emergency withdrawals"),
    "basis": mark("bases"),
    "rule-set": mark("rules"),
    "rule-proposal": mark("proposals of rules"),
    "fact": mark("facts"),
    "person": mark("people, searches, wallets"),
    "limit": mark("limits and alarms"),
    "staff": mark("staff"),
    "network": mark("network, services and authorities"),
    "key": mark("keys"),
}
"""The filter's choices; `SUBJECTS` says which kinds of record each has."""

SUBJECTS: Mapping[str, tuple[str, ...]] = {
    **{kind: (kind,) for kind in KINDS},
    "limit": ("limit", "alarm"),
    "network": ("network", "scope", "authority"),
}

RECORDS: Mapping[str, str] = {
    "alarm": mark("alarm"),
    "authority": mark("authority"),
    "basis": mark("basis"),
    "entry": mark("entry"),
    "exemption": mark("exemption"),
    "fact": mark("fact"),
    "key": mark("key"),
    "limit": mark("limit"),
    "network": mark("network"),
    "objection": mark("objection"),
    "person": mark("person"),
    "rule-proposal": mark("proposal"),
    "rule-set": mark("rules"),
    "scope": mark("service"),
    "staff": mark("staff"),
    "withdrawal": mark("withdrawal"),
}
"""What one record is called; its number follows."""
