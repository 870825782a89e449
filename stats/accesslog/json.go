package accesslog

import "bytes"

// json reads a line that is one JSON object: Istio's access log, a mixer's logentry, or a line that this tool wrote.
func (p *Parser) json(b []byte, l *Line) bool {
	seen := keysSeen{scratch: &p.scratch}
	walk := members{b: b, scratch: &p.scratch}
	for {
		m, done, ok := walk.next()
		if !ok {
			return false
		}
		if done {
			break
		}
		if !seen.take(l, m) {
			return false
		}
	}
	return seen.judge(l)
}

// keysSeen counts what tells one kind of object from another.
type keysSeen struct {
	envoy   int  // keys that only Envoy's access log has
	details bool // and only since 1.9
	mixer   bool // the instance is an access log of mixer's
	own     int  // keys that only this tool writes
	time    bool
	total   bool // the mixer's totals came: they win over what came since the last line
	totalTX bool

	scratch *[]byte
}

// take puts one member where it belongs.
func (s *keysSeen) take(l *Line, m member) bool {
	if f, ok := envoyKey(m.key); ok {
		s.envoy++
		s.details = s.details || f == fDetails
		if f == fTime {
			s.time = true
		}
		if m.nested {
			return true
		}
		if f == fMethod && len(m.value) > 20 { // 1.1 writes the start time there
			return true
		}
		return l.set(f, orDash(m.value)) || f != fTime
	}
	return s.takeShared(l, m)
}

// takeShared is take for keys that mixer and this tool write.
func (s *keysSeen) takeShared(l *Line, m member) bool {
	if string(m.key) == "time" {
		s.time = true
		return l.set(fTime, orDash(m.value))
	}
	if string(m.key) == "instance" {
		s.mixer = bytes.HasPrefix(m.value, []byte("accesslog.")) || bytes.HasPrefix(m.value, []byte("tcpaccesslog."))
		return true
	}
	if f, ok := ownKey(m.key); ok {
		s.own++
		if f == fFlags && m.nested {
			l.Flags = joinFlags(s.scratch, m.value)
			return true
		}
		if !m.nested {
			l.set(f, orDash(m.value))
		}
		return true
	}
	if f, ok := mixerKey(m.key); ok && !m.nested {
		s.takeMixer(l, m.key, f, m.value)
	}
	return true
}

// takeMixer prefers totals over what came since the line before, and a body's size over one with headers, as Envoy counts.
func (s *keysSeen) takeMixer(l *Line, key []byte, f field, v []byte) {
	total := bytes.HasPrefix(key, []byte("total")) || bytes.HasSuffix(key, []byte("Size"))
	switch {
	case f == fReceived && s.total && !total, f == fSent && s.totalTX && !total:
		return
	case f == fReceived:
		s.total = total
	case f == fSent:
		s.totalTX = total
	}
	if len(v) == 0 || string(v) == "unknown" { // mixer's word for what it does not know
		return
	}
	l.set(f, v)
}

// judge says what the object was, or that it was no access log.
func (s *keysSeen) judge(l *Line) bool {
	switch {
	case s.mixer && s.time:
		l.Format, l.Source = MixerJSON, Mixer
	case s.own >= 2 && l.Format != UnknownFormat: // the format is told by the line
	case s.envoy >= 4 && s.time:
		l.Format = IstioJSON
		if s.details {
			l.Format = Istio19JSON
		}
		l.UpstreamCluster = bytes.TrimSuffix(l.UpstreamCluster, []byte(";")) // 1.23.0 to 1.24.1 write the name of its counters
	default:
		return false
	}
	return true
}

// orDash makes null the dash that it was in text.
func orDash(v []byte) []byte {
	if len(v) == 0 {
		return dash
	}
	return v
}

var dash = []byte("-")

// joinFlags makes "UF,URX" of ["UF","URX"].
func joinFlags(scratch *[]byte, list []byte) []byte {
	from, inside := len(*scratch), false
	for _, c := range list {
		if c == '"' {
			inside = !inside
		} else if inside || c == ',' {
			*scratch = append(*scratch, c)
		}
	}
	return value((*scratch)[from:len(*scratch):len(*scratch)])
}

// envoyKey knows the keys of Istio's accessLogEncoding: JSON.
func envoyKey(key []byte) (field, bool) {
	switch string(key) {
	case "start_time":
		return fTime, true
	case "method":
		return fMethod, true
	case "path":
		return fPath, true
	case "protocol":
		return fProtocol, true
	case "response_code":
		return fCode, true
	case "response_flags":
		return fFlags, true
	case "response_code_details":
		return fDetails, true
	case "connection_termination_details":
		return fTermination, true
	case "upstream_transport_failure_reason":
		return fFailure, true
	case "istio_policy_status":
		return fPolicy, true
	case "bytes_received":
		return fReceived, true
	case "bytes_sent":
		return fSent, true
	case "duration":
		return fMillis, true
	case "upstream_service_time":
		return fService, true
	}
	return envoyPlaceKey(key)
}

func envoyPlaceKey(key []byte) (field, bool) {
	switch string(key) {
	case "x_forwarded_for":
		return fForwardedFor, true
	case "user_agent":
		return fUserAgent, true
	case "request_id":
		return fRequestID, true
	case "authority":
		return fAuthority, true
	case "upstream_host":
		return fUpstreamHost, true
	case "upstream_cluster":
		return fUpstreamCluster, true
	case "upstream_local_address":
		return fUpstreamLocal, true
	case "downstream_local_address":
		return fDownstreamLocal, true
	case "downstream_remote_address":
		return fDownstreamRemote, true
	case "requested_server_name":
		return fSNI, true
	case "route_name":
		return fRoute, true
	}
	return fIgnored, false
}
