package accesslog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Template is a format of one's own, as accessLogFormat of MeshConfig and log_format of nginx write it.
type Template struct {
	parts []part           // text: what stands between the values, in their order
	keys  map[string]field // JSON: what stands under which key
	text  string
}

// part is one value and the text before it. The text after the last value is a part without value.
type part struct {
	literal []byte
	field   field
	last    bool
}

// ParseTemplate reads a format: text with Envoy's operators (%START_TIME%) or nginx's variables ($remote_addr), or a JSON object whose
// values are single operators. It is refused if two values stand side by side with nothing between them, or none is known.
func ParseTemplate(format string) (*Template, error) {
	trimmed := strings.TrimRight(format, " \r\n")
	trimmed = strings.TrimSuffix(trimmed, `\n`)
	if strings.HasPrefix(strings.TrimSpace(trimmed), "{") {
		return parseJSONTemplate(trimmed)
	}
	t := &Template{text: format}
	var literal []byte
	known := false
	for i := 0; i < len(trimmed); {
		name, width := operatorAt(trimmed[i:])
		if width < 0 {
			return nil, fmt.Errorf("%q: an operator that begins at character %d does not end", format, i+1)
		}
		if width == 0 || name == "" { // plain text, or %%
			literal = append(literal, trimmed[i])
			i += max(width, 1)
			continue
		}
		if len(literal) == 0 && len(t.parts) > 0 {
			return nil, fmt.Errorf("%q: nothing stands before %s to tell it from what comes before it", format, trimmed[i:i+width])
		}
		f := operatorField(name)
		known = known || f != fIgnored
		t.parts = append(t.parts, part{literal: literal, field: f})
		literal = nil
		i += width
	}
	if !known {
		return nil, fmt.Errorf("%q holds nothing that is known; expected Envoy's operators such as %%START_TIME%%, or nginx's variables", format)
	}
	t.parts = append(t.parts, part{literal: literal, last: true})
	return t, nil
}

func parseJSONTemplate(format string) (*Template, error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(format), &object); err != nil {
		return nil, fmt.Errorf("%q begins as a JSON object and is none: %w", format, err)
	}
	t := &Template{keys: map[string]field{}, text: format}
	for key, v := range object {
		s, ok := v.(string)
		if !ok {
			continue // constants and what is nested
		}
		if name, width := operatorAt(s); width == len(s) && name != "" {
			if f := operatorField(name); f != fIgnored {
				t.keys[key] = f
			}
		}
	}
	if len(t.keys) == 0 {
		return nil, errors.New("the JSON format holds no operator that is known, such as %START_TIME%")
	}
	return t, nil
}

// String is the format as it was given.
func (t *Template) String() string { return t.text }

// operatorAt reads an operator or variable at the beginning of s and says how long it is: 0 if there is none, -1 if it has no end.
// %% is an operator without name: a percent sign.
func operatorAt(s string) (name string, width int) {
	switch {
	case strings.HasPrefix(s, "%%"):
		return "", 2
	case strings.HasPrefix(s, "%"):
		return envoyOperator(s)
	case strings.HasPrefix(s, "${"):
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return "", -1
		}
		return "$" + s[2:end], end + 1
	case strings.HasPrefix(s, "$"):
		end := 1
		for end < len(s) && (s[end] == '_' || s[end] >= 'a' && s[end] <= 'z' || s[end] >= '0' && s[end] <= '9') {
			end++
		}
		if end > 1 {
			return s[:end], end
		}
	}
	return "", 0
}

// envoyOperator reads %NAME%, %NAME(ARGUMENT)%, %NAME(ARGUMENT):LENGTH%. The argument may hold percent signs.
func envoyOperator(s string) (name string, width int) {
	i := 1
	for i < len(s) && s[i] != '%' && s[i] != '(' {
		i++
	}
	if i < len(s) && s[i] == '(' {
		end := strings.IndexByte(s[i:], ')')
		if end < 0 {
			return "", -1
		}
		i += end + 1
	}
	end := strings.IndexByte(s[i:], '%')
	if end < 0 {
		return "", -1
	}
	return s[1:i], i + end + 1
}

// operatorField says what an operator or variable stands for.
func operatorField(name string) field {
	base, argument, _ := strings.Cut(strings.TrimSuffix(name, ")"), "(")
	switch base {
	case "REQ", "RESP":
		return headerField(strings.ToLower(argument))
	case "DYNAMIC_METADATA":
		if strings.Contains(argument, "istio.mixer") {
			return fPolicy
		}
		return fIgnored
	}
	if f, ok := operatorFields[strings.TrimPrefix(base, "%")]; ok {
		return f
	}
	return fIgnored
}

func headerField(names string) field {
	names, _, _ = strings.Cut(names, "):") // a length
	for name := range strings.SplitSeq(names, "?") {
		switch name {
		case ":method":
			return fMethod
		case ":path":
			return fPath
		case ":authority", "host":
			return fAuthority
		case "x-forwarded-for":
			return fForwardedFor
		case "user-agent":
			return fUserAgent
		case "x-request-id":
			return fRequestID
		case "x-envoy-upstream-service-time":
			return fService
		}
	}
	return fIgnored
}

// operatorFields are Envoy's command operators without header names, and nginx's variables.
var operatorFields = map[string]field{
	"START_TIME": fTime, "PROTOCOL": fProtocol, "RESPONSE_CODE": fCode, "RESPONSE_FLAGS": fFlags, "RESPONSE_FLAGS_LONG": fFlagsLong,
	"RESPONSE_CODE_DETAILS": fDetails, "CONNECTION_TERMINATION_DETAILS": fTermination, "UPSTREAM_TRANSPORT_FAILURE_REASON": fFailure,
	"BYTES_RECEIVED": fReceived, "BYTES_SENT": fSent, "DURATION": fMillis, "UPSTREAM_HOST": fUpstreamHost, "UPSTREAM_REMOTE_ADDRESS": fUpstreamHost,
	"UPSTREAM_CLUSTER": fUpstreamCluster, "UPSTREAM_CLUSTER_RAW": fUpstreamCluster, "UPSTREAM_LOCAL_ADDRESS": fUpstreamLocal,
	"DOWNSTREAM_LOCAL_ADDRESS": fDownstreamLocal, "DOWNSTREAM_REMOTE_ADDRESS": fDownstreamRemote, "REQUESTED_SERVER_NAME": fSNI,
	"ROUTE_NAME": fRoute, "DOWNSTREAM_PEER_URI_SAN": fPrincipal,

	"$remote_addr": fDownstreamRemote, "$time_local": fTime, "$time_iso8601": fTime, "$protocol": fProtocol,
	"$ssl_preread_server_name": fSNI, "$ssl_server_name": fSNI, "$status": fCode, "$bytes_sent": fSent, "$body_bytes_sent": fSent,
	"$bytes_received": fReceived, "$request_length": fReceived, "$session_time": fSeconds, "$request_time": fSeconds,
	"$upstream_addr": fUpstreamHost, "$request": fRequest, "$request_method": fMethod, "$request_uri": fPath, "$server_protocol": fProtocol,
	"$host": fAuthority, "$http_host": fAuthority, "$http_user_agent": fUserAgent, "$http_x_forwarded_for": fForwardedFor,
	"$request_id": fRequestID, "$proxy_protocol_addr": fDownstreamRemote,
}

// match reads a line of this format. A value ends where the text behind it begins for the first time.
func (t *Template) match(b []byte, l *Line, scratch *[]byte) bool {
	if t.keys != nil {
		return t.matchJSON(b, l, scratch)
	}
	if !bytes.HasPrefix(b, t.parts[0].literal) {
		return false
	}
	at := len(t.parts[0].literal)
	for i, p := range t.parts[:len(t.parts)-1] {
		next := t.parts[i+1]
		end := len(b)
		switch {
		case next.last && len(next.literal) == 0:
		case next.last:
			if !bytes.HasSuffix(b[at:], next.literal) {
				return false
			}
			end -= len(next.literal)
		default:
			found := bytes.Index(b[at:], next.literal)
			if found < 0 {
				return false
			}
			end = at + found
		}
		if !l.set(p.field, b[at:end]) && p.field == fCode {
			return false
		}
		at = end + len(next.literal)
	}
	return true
}

// matchJSON wants at least half of the keys, for values that are absent may be left out, and knows what else stands in the line.
func (t *Template) matchJSON(b []byte, l *Line, scratch *[]byte) bool {
	walk := members{b: b, scratch: scratch}
	found := 0
	for {
		m, done, ok := walk.next()
		if !ok {
			return false
		}
		if done {
			return found > 0 && found*2 >= len(t.keys)
		}
		f, ok := t.keys[string(m.key)]
		if !ok || m.nested {
			continue
		}
		found++
		if !l.set(f, orDash(m.value)) && f == fCode {
			return false
		}
	}
}
