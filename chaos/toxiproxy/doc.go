// Package toxiproxy is the HTTP API of Toxiproxy 2.12 over the links of a run,
// so that its clients and its command line break a shop that is up. It takes
// no code from there, only the words.
//
// Which function do you want?
//
//   - [Listen] takes an address, on loopback.
//   - [New] makes the API of a running system: an [http.Handler], which
//     [API.Close] ends, with everything that it has done.
//   - [Build] makes a fault out of what the API has written into the journal,
//     so that another process can lift it.
//
// # The words
//
// A proxy is one link: gateway-1:catalog-2 is the way from the caller instance
// gateway-1 to the callee instance catalog-2. All of a run's links are there
// from the start, none can be deleted or moved. A proxy of one's own is made by
// POST /proxies: a relay inside this process, on loopback, whose upstream must
// be an instance of the run at its own address.
//
// A toxic is one rule of the link's relay, with the meaning that its name has
// at Toxiproxy; upstream is the way to the callee, downstream the way back.
//
//	toxic        rule                      where it differs
//	latency      latency                   no delay is below 0
//	bandwidth    bandwidth; rate 0:        the rate is the link's, not that of
//	             partition                 each of its connections
//	slow_close   slow_close
//	timeout      timeout                   removed, it resets who spoke into it
//	                                       and spares the others
//	reset_peer   reset_peer                resets live connections as well
//	slicer       slicer                    sizes from 1 to 65535, evenly drawn
//	limit_data   limit_data                counts anew when it is changed
//
// A relay keeps what Toxiproxy evens out: a half-close stays one, a reset reaches
// the other side as a reset, and a callee that is down refuses.
//
// All spare the setting-up of connections, as there. Whether a connection meets
// a toxic is drawn once, from the toxic's seed; a changed toxic is a new one, at
// the end of the row. A number that makes no sense is refused, not bent. A proxy
// that is not enabled has no listener, and its connections are reset. Of the
// metrics there are none.
//
// Two fields are ours: ttl, milliseconds after which the toxic goes by itself,
// and seed. Both are the toxic's own or, for clients that know only Toxiproxy's
// fields, among its attributes.
//
// # Safety
//
// Toxiproxy knows no token: while the API is there, every process of this
// machine can use it. Web pages cannot. What is done stands in the journal
// before it acts, and is lifted when this process dies.
package toxiproxy
