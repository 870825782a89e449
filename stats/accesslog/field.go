package accesslog

import (
	"bytes"
	"time"
)

// field is one thing that a line can tell, in the unit in which it is written.
type field uint8

const (
	fIgnored field = iota
	fTime          // RFC 3339, or nginx's $time_local
	fMethod
	fPath
	fProtocol
	fRequest // all three
	fCode
	fFlags
	fFlagsLong // UpstreamConnectionFailure
	fDetails
	fTermination
	fFailure
	fPolicy
	fReceived
	fSent
	fMillis  // duration in ms
	fSeconds // duration in seconds with a fraction
	fGoTime  // duration as Go writes it: 1.5ms
	fService
	fForwardedFor
	fUserAgent
	fRequestID
	fAuthority
	fSNI
	fUpstreamHost
	fUpstreamCluster
	fUpstreamLocal
	fDownstreamLocal
	fDownstreamRemote
	fRoute
	fEvent
	fPrincipal
	fPod
	fNamespace
	fSource
	fFormat
)

// set puts a value where it belongs. What cannot be read as what it should be is left out, but for a time and a code, which are what
// a line is known by.
func (l *Line) set(f field, v []byte) bool {
	if into := l.textOf(f); into != nil {
		*into = value(v)
		return true
	}
	switch f {
	case fTime:
		return l.setTime(v)
	case fRequest:
		l.setRequest(v)
	case fCode:
		n, ok := number(v)
		l.Code = n
		return ok
	case fFlagsLong:
		l.Flags = shortFlags(value(v))
	case fReceived:
		l.BytesReceived, _ = number(v)
	case fSent:
		l.BytesSent, _ = number(v)
	case fMillis:
		l.DurationMS, _ = number(v)
	case fService:
		l.ServiceMS, _ = number(v)
	case fSeconds:
		l.DurationMS, _ = thousandths(v)
	case fGoTime:
		if d, err := time.ParseDuration(string(v)); err == nil {
			l.DurationMS = d.Milliseconds()
		}
	case fSource:
		l.Source = Source(intern(v, string(Gateway), string(Sidecar), string(SNIProxy), string(Mixer)))
	case fFormat:
		l.Format = knownFormat(v)
	}
	return true
}

// textOf is where a field's bytes go; nil for fields that are not kept as bytes.
func (l *Line) textOf(f field) *[]byte {
	switch f {
	case fMethod:
		return &l.Method
	case fPath:
		return &l.Path
	case fProtocol:
		return &l.Protocol
	case fFlags:
		return &l.Flags
	case fDetails:
		return &l.Details
	case fTermination:
		return &l.Termination
	case fFailure:
		return &l.Failure
	case fPolicy:
		return &l.Policy
	case fForwardedFor:
		return &l.ForwardedFor
	case fUserAgent:
		return &l.UserAgent
	case fRequestID:
		return &l.RequestID
	}
	return l.placeOf(f)
}

// placeOf is textOf for where from and where to.
func (l *Line) placeOf(f field) *[]byte {
	switch f {
	case fAuthority:
		return &l.Authority
	case fSNI:
		return &l.SNI
	case fUpstreamHost:
		return &l.UpstreamHost
	case fUpstreamCluster:
		return &l.UpstreamCluster
	case fUpstreamLocal:
		return &l.UpstreamLocal
	case fDownstreamLocal:
		return &l.DownstreamLocal
	case fDownstreamRemote:
		return &l.DownstreamRemote
	case fRoute:
		return &l.Route
	case fEvent:
		return &l.Event
	case fPrincipal:
		return &l.Principal
	case fPod:
		return &l.Pod
	case fNamespace:
		return &l.Namespace
	}
	return nil
}

func (l *Line) setTime(v []byte) bool {
	if t, n := timestamp(v); n > 0 && n == len(v) {
		l.Time = t
		return true
	}
	t, ok := commonTime(v)
	l.Time = t
	return ok
}

// setRequest takes "GET /politics HTTP/1.1" apart.
func (l *Line) setRequest(v []byte) {
	first, last := bytes.IndexByte(v, ' '), bytes.LastIndexByte(v, ' ')
	if first < 0 || first == last {
		return
	}
	l.Method, l.Path, l.Protocol = value(v[:first]), value(v[first+1:last]), value(v[last+1:])
}

// intern gives the one of some words that v is, so that nothing is allocated; "" if it is none.
func intern(v []byte, words ...string) string {
	for _, w := range words {
		if string(v) == w {
			return w
		}
	}
	return ""
}

func knownFormat(v []byte) Format {
	for _, f := range [...]Format{Istio10, Istio11Beta, Istio11, Istio12, Istio13, Istio18, Istio19, IstioJSON, Istio19JSON, NginxStream, MixerJSON, CustomFormat} {
		if string(v) == string(f) {
			return f
		}
	}
	return UnknownFormat
}
