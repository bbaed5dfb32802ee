// Package relay is the network of a system under test, in software: a process
// that stands on every edge, passes bytes through and harms them when told to.
//
// Which function do you want?
//
//   - [Main] is the relay: it listens on every [Edge] of its [Config] until its
//     context is done. `bedlam relay` is nothing but Main.
//   - [NewClient] programs a running relay: [Client.Shape] and [Client.Unshape]
//     put rules in and take them out, [Client.Renew] is the heartbeat that keeps
//     them alive, [Client.SetUpstream] tells it who is down and [Client.Stats]
//     says what each rule has really touched.
//   - [Kinds] lists what a rule may do, with the arguments of each kind.
//
// # The picture
//
// One listener stands for each pair of caller instance and callee instance, one
// [flow] for each direction of each connection through it:
//
//	                             control plane (HTTP, loopback, token)
//	                                     │ rules
//	        ┌────────────────────────────▼───────────────────────────────┐
//	        │ edge cart-1->catalog-2                                     │
//	        │                                                            │
//	caller ─┼─▶ listener ─▶ conn ┬─ flow "to"   ─▶ stage ─▶ stage ─▶ ────┼─▶ callee
//	        │                    └─ flow "from" ◀─ stage ◀─ stage ◀─ ────┼── (the dial
//	        │                                                            │   is delayed too)
//	        └────────────────────────────────────────────────────────────┘
//
// A flow without stages reads and writes what comes in small messages, which is
// the least work for them; when its source pours, it is a splice(2) inside the
// kernel: no byte enters this process. A flow with stages is a queue for each rule; the bytes of the flow
// are cut into chunks, each chunk is given the time at which it may go on, and
// the last queue empties into the callee:
//
//	src ─read─▶ [inbox] ─▶ latency: due +100 ms ─▶ partition: due never ─write─▶ dst
//	            └──────────── at most 4 MiB in all, then no more is read ───────────┘
//
// Due times are kept by a [clock], which is late by less than Go's timers are.
//
// When the rules of a link change, a deadline interrupts what the flow is in (a
// splice in its reading only, so that its pipe is always empty then); the flow
// takes the new stages over and goes on. A stage that goes away empties at once
// into the next one, so no byte is lost or overtaken. With the last stage gone
// the flow drains and goes on as it was.
//
// # What a network does, and what the relay does
//
//   - Setting a connection up is a chunk too: it passes the stages of both
//     directions, as SYN and SYN-ACK do, before the callee is dialled. The
//     kernel has accepted the caller by then (a relay cannot delay connect
//     itself), so the caller sees the delay at its first byte. While a set-up
//     is withheld without end and the caller closes its side, the connection is
//     dropped and never reaches the callee, like a SYN nobody retransmits.
//   - The end of a direction (FIN) and a reset (RST) pass the stages as well. A
//     half-close stays one. A reset by one side reaches the other as a reset,
//     after the bytes before it.
//   - A callee that refuses the dial shows to the caller as a reset: the kernel
//     has accepted for it already. A callee that is known to be down is
//     different, see [Client.SetUpstream].
//   - A partition and a black hole are both silent; they differ in who is there.
//     A partition is a network that does not carry: no connection is set up
//     through it, whichever direction is cut, and when it is mended TCP sends
//     again what was lost, so that every connection goes on. A black hole is a
//     peer that accepts and never answers: connections are set up, and when
//     it is back it knows none of them, so that each one that it has touched
//     is reset.
//   - A narrow link is one line for each direction, which all connections of
//     the link share in turns, a piece at a time. Payload is what it counts:
//     the headers of a real one, some 3 to 5 %, are not there.
//   - Each piece of a sliced stream is a write of its own on a socket without
//     Nagle's delay (TCP_NODELAY, as Go sets it), so that it leaves as a segment
//     of its own; what the peer reads at once is the peer's affair.
//   - A connection that a limit closes is closed as a process does that ends: what
//     it has carried in that direction is delivered, what is on its way in the
//     other may be lost, and who still speaks hears a reset.
//   - A flipped bit gets past TCP's checksums here, because the kernel counts them
//     after us. On a real network, damage that leaves a sum of 16 bits unchanged
//     does, and whatever happens between the checksum and the application.
//   - A rule with a toxicity below 1 is met by that share of the connections,
//     whatever its kind: each of them once and for all, from its first byte or
//     from when the rule came, and the rest as if there were no rule.
//   - A rule for established connections spares the set-up: what is new is
//     dialled as if there were no rule, and meets it from its first byte.
//   - Bytes that the kernel has taken are on the wire: a rule does not call them
//     back. If a peer does not read, a splice may hold up to 1 MiB (its pipe)
//     that it delivers, when the peer reads again, before the rule's turn.
//   - The sockets on both sides are the relay's own: a TCP keepalive is answered
//     by its kernel, cut or not. What notices a cut is what the parties send
//     themselves: requests, and the pings of gRPC.
//   - An idle connection holds two descriptors, its sockets, and one that pours
//     a pipe for each direction in which it does. One whose requests are read
//     holds two more.
//   - 4 MiB for each direction of a connection is what a Linux sender keeps
//     unacknowledged at the most with its standard tcp_wmem, so a delayed link
//     carries as much here as it would for real: 4 MiB for each delay, 40 MiB/s
//     at 100 ms. Beyond it the relay stops reading, and the sender is held back
//     by TCP as it would be.
//
// # Requests
//
// Some kinds harm requests, not bytes: [message] reads HTTP/1 and HTTP/2 on an
// edge and lets each request meet the rules of its route. The reader stands next
// to the callee, behind the flows, so that rules about bytes hold for what it
// says, too:
//
//	caller ─▶ conn ═ flows ═▶ near ═ far ─▶ message.Wire ─▶ callee
//
// Nobody can begin to read in the middle of a connection: HPACK has a state that
// is made by every header block since the first, and in spliced bytes nobody
// knows where a frame begins, so that not even a GOAWAY could be put in. So an
// edge is made [Edge.Aware] before there are connections; a run does so for the
// links whose requests its schedule harms, before its baseline, and pays the
// same for the reading before, during and after the fault. On an edge that is
// not aware, a rule about requests resets the live connections and has the new
// ones read; [LinkStats.Switched] says how many those were. When the last such
// rule goes, no connection is closed: what is read is read to its end, and what
// comes later is spliced again.
//
// Rules about requests combine in the order in which they came: delays add up,
// and a request that one of them aborts does not meet the next. The copy that a
// duplicate sends is on a connection of its own, past the rules about bytes.
//
// # Names
//
// With [Config.Names] the relay is also the name server of its callers: a name
// leads to the relay's own address, which callers know the ports of already. Two
// kinds of rules are about the questions on a link and not about its
// connections: a question is the caller's, known by the address that it comes
// from, and for the callee's name. Rules combine in the order in which they
// came: delays add up, and what one has failed stays so. Each question for each
// type of record has a draw of its own; a resolver asks for two types, and once
// more when the server has failed.
//
// # Safety
//
// A rule lives no longer than its TTL unless the controller renews it, so a
// relay without a controller heals by itself. The control port listens on
// loopback only, unless [Config.Exposed] says otherwise, wants its token, and
// refuses a foreign Host and any Origin.
// Random draws come from (the rule's seed, link, number of the connection on
// its link, direction), so that they repeat.
//
// # A new kind
//
// A kind is one file: a [harm] that decodes its arguments and meets connections,
// a [shaper] for each direction it changes, or a [meddler] for their requests,
// and one call of register; a [misleading] one meets questions for names. What the connections of a link have in common, a
// [shared] harm keeps; a [pacer] lets their chunks take turns, and a [cutter]
// takes them apart. The engine never asks which kind it holds.
package relay
