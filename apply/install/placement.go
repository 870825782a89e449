package install

import (
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Toleration admits a gateway's pods to nodes that others are kept from.
type Toleration struct {
	Key    string // empty: every taint
	Value  string // empty: any value
	Effect string // NoSchedule, PreferNoSchedule or NoExecute; empty: all of them
}

// ParseToleration reads KEY[=VALUE][:EFFECT], as kubectl taint writes taints; "*" tolerates all. The error is an *egress.InputError.
func ParseToleration(s string) (Toleration, error) {
	taint, effect, hasEffect := strings.Cut(s, ":")
	key, value, hasValue := strings.Cut(taint, "=")
	effects := []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}
	switch {
	case hasEffect && !slices.Contains(effects, effect):
		return Toleration{}, egress.Inputf("toleration %q: the effect is one of %s, not %q", s, strings.Join(effects, ", "), effect)
	case key == "*" && !hasValue:
		return Toleration{Effect: effect}, nil
	case !isLabelKey(key), hasValue && (value == "" || !isLabelValue(value)):
		return Toleration{}, egress.Inputf("%q is not a toleration; write it as a taint: KEY[=VALUE][:EFFECT], for example dedicated=egress:NoSchedule", s)
	}
	return Toleration{Key: key, Value: value, Effect: effect}, nil
}

// ParseNodeSelector reads KEY=VALUE pairs. The error is an *egress.InputError.
func ParseNodeSelector(pairs []string) (map[string]string, error) {
	selector := map[string]string{}
	for _, p := range pairs {
		key, value, ok := strings.Cut(p, "=")
		if !ok || !isLabelKey(key) || !isLabelValue(value) {
			return nil, egress.Inputf("%q is not a label of nodes; write KEY=VALUE, for example dedicated=egress", p)
		}
		if was, twice := selector[key]; twice && was != value {
			return nil, egress.Inputf("--node-selector wants %s to be both %q and %q, which no node is", key, was, value)
		}
		selector[key] = value
	}
	return selector, nil
}

func tolerations(all []Toleration) list {
	var l list
	for _, t := range all {
		f := fields{"operator": "Exists"}
		if t.Value != "" {
			f["operator"], f["value"] = "Equal", t.Value
		}
		if t.Key != "" {
			f["key"] = t.Key
		}
		if t.Effect != "" {
			f["effect"] = t.Effect
		}
		l = append(l, f)
	}
	return l
}

// isLabelKey: an optional DNS name and a slash, then at most 63 letters, digits, dashes, underscores and dots.
func isLabelKey(key string) bool {
	if prefix, name, ok := strings.Cut(key, "/"); ok {
		for label := range strings.SplitSeq(prefix, ".") {
			if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(label, "-") != label {
				return false
			}
		}
		return len(prefix) <= 253 && name != "" && isLabelValue(name)
	}
	return key != "" && isLabelValue(key)
}

// isLabelValue: empty, or at most 63 letters, digits, dashes, underscores and dots that begin and end with a letter or digit.
func isLabelValue(v string) bool {
	alnum := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }
	for i := range len(v) {
		if !alnum(v[i]) && (i == 0 || i == len(v)-1 || strings.IndexByte("-_.", v[i]) < 0) {
			return false
		}
	}
	return len(v) <= maxLabel
}
