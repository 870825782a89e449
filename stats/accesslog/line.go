package accesslog

import (
	"bytes"
	"strings"
	"time"
)

// Source is who wrote a line. It is empty where the line alone does not tell.
type Source string

// The proxies on a path.
const (
	Gateway  Source = "gateway"
	Sidecar  Source = "sidecar"
	SNIProxy Source = "sni-proxy"
	Mixer    Source = "mixer"
)

// Format is the shape of a line, named after the first Istio release that wrote it.
type Format string

// The shapes that are known. From 1.9 on text stayed the same; Istio 1.23 and Envoy 1.40 changed what stands in it.
const (
	Istio10       Format = "istio-1.0"      // Envoy's own default: HTTP only, nothing after the upstream host
	Istio11Beta   Format = "istio-1.1-rc"   // snapshots before 1.1 (end of 2018): addresses and SNI, no mixer status
	Istio11       Format = "istio-1.1"      // mixer status
	Istio12       Format = "istio-1.2"      // and upstream transport failure reason
	Istio13       Format = "istio-1.3"      // and route name: 1.3 to 1.7
	Istio18       Format = "istio-1.8"      // without mixer status
	Istio19       Format = "istio-1.9"      // response code and connection termination details: 1.9 to today
	IstioJSON     Format = "istio-json"     // accessLogEncoding: JSON, 1.1 to 1.8
	Istio19JSON   Format = "istio-json-1.9" // the same with details
	NginxStream   Format = "nginx-stream"   // the SNI proxy of Istio's documents
	MixerJSON     Format = "mixer"          // logentry of Istio's mixer, up to 1.7
	CustomFormat  Format = "custom"         // by a Template
	UnknownFormat Format = ""
)

// Absent is the value of a number that a line does not tell.
const Absent = -1

// Line is one line of a log. Byte fields are nil and numbers Absent where the line says nothing, or "-". The bytes belong to the
// buffer that was parsed and to the Parser: they hold until the buffer changes or the Parser is used again.
type Line struct {
	Raw     []byte    // the line as it was written, without its end and without what kubectl put before it
	Time    time.Time // when the request or connection began, to the millisecond; zero if unknown
	Written time.Time // when the container runtime took the line, to the nanosecond (kubectl's --timestamps); zero if unknown
	Format  Format
	Source  Source

	Namespace []byte // of the pod; only where a stream tells
	Pod       []byte // who wrote it, or of whom the mixer speaks
	Container []byte

	Method, Path, Protocol []byte // of HTTP
	Flags                  []byte // Envoy's response flags as written: "UF,URX"
	Details, Termination   []byte // RESPONSE_CODE_DETAILS, CONNECTION_TERMINATION_DETAILS
	Failure                []byte // UPSTREAM_TRANSPORT_FAILURE_REASON
	Policy                 []byte // mixer status (1.1 to 1.7)
	ForwardedFor           []byte
	UserAgent, RequestID   []byte
	Authority, SNI         []byte // what the client asked for: Host header, and server name of its TLS handshake
	UpstreamHost           []byte // address that the proxy connected to
	UpstreamCluster        []byte
	UpstreamLocal          []byte // the proxy's own address of that connection
	DownstreamLocal        []byte // address that the client connected to
	DownstreamRemote       []byte // the client's address
	Route                  []byte
	Event                  []byte // mixer: open, continue or close
	Principal              []byte // mixer: the client's identity

	Code          int64 // of HTTP; 0 for a connection of which no answer is known, nginx: 200 and errors as if it were HTTP
	BytesReceived int64 // from the client
	BytesSent     int64 // to the client
	DurationMS    int64
	ServiceMS     int64 // of the upstream host, in milliseconds
}

func (l *Line) reset() {
	*l = Line{Code: Absent, BytesReceived: Absent, BytesSent: Absent, DurationMS: Absent, ServiceMS: Absent}
}

// TCP says whether the line is about a connection as a whole, not about a request in it.
func (l *Line) TCP() bool {
	return l.Method == nil && (l.Protocol == nil || !bytes.HasPrefix(l.Protocol, []byte("HTTP")))
}

// Host is the name that the client asked for: the server name of its TLS handshake, for HTTP the Host header without a port. Nil if
// the line has neither.
func (l *Line) Host() []byte {
	if l.Authority != nil && !l.TCP() {
		return withoutPort(l.Authority)
	}
	if l.SNI != nil {
		return l.SNI
	}
	return withoutPort(l.Authority)
}

// End is when the line's story ended: its beginning and its duration, or what comes nearest to that.
func (l *Line) End() time.Time {
	if l.Time.IsZero() || l.DurationMS < 0 || l.Format == NginxStream { // nginx tells the end
		return l.Time
	}
	return l.Time.Add(time.Duration(l.DurationMS) * time.Millisecond)
}

// At is when the line was written, as near as is known.
func (l *Line) At() time.Time {
	if !l.Written.IsZero() {
		return l.Written
	}
	return l.End()
}

// FlagList takes the flags apart.
func (l *Line) FlagList() []string {
	if len(l.Flags) == 0 {
		return nil
	}
	return strings.Split(string(l.Flags), ",")
}

// Clone copies a line with all that it points to.
func (l *Line) Clone() *Line {
	c := *l
	size := 0
	for _, f := range c.texts() {
		size += len(*f)
	}
	all := make([]byte, 0, size)
	for _, f := range c.texts() {
		if *f != nil {
			from := len(all)
			all = append(all, *f...)
			*f = all[from:len(all):len(all)]
		}
	}
	return &c
}

// texts are all fields that hold bytes.
func (l *Line) texts() [25]*[]byte {
	return [...]*[]byte{
		&l.Raw, &l.Namespace, &l.Pod, &l.Container, &l.Method, &l.Path, &l.Protocol, &l.Flags, &l.Details, &l.Termination,
		&l.Failure, &l.Policy, &l.ForwardedFor, &l.UserAgent, &l.RequestID, &l.Authority, &l.SNI, &l.UpstreamHost, &l.UpstreamCluster,
		&l.UpstreamLocal, &l.DownstreamLocal, &l.DownstreamRemote, &l.Route, &l.Event, &l.Principal,
	}
}

// withoutPort takes ":443" off a name or an address in brackets.
func withoutPort(authority []byte) []byte {
	i := bytes.LastIndexByte(authority, ':')
	if i < 0 || bytes.IndexByte(authority[:i], ':') >= 0 && authority[0] != '[' {
		return authority
	}
	for _, c := range authority[i+1:] {
		if c < '0' || c > '9' {
			return authority
		}
	}
	return authority[:i]
}

// addressOnly takes the port off an IP:PORT.
func addressOnly(b []byte) []byte { return withoutPort(b) }
