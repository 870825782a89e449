package counter

import (
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"
)

// ConfigAnnotation is the annotation of a pod template that changes Envoy's bootstrap. A pod reads it when it starts.
const ConfigAnnotation = "proxy.istio.io/config"

// OldAnnotation is the deprecated annotation that takes the place of the list of Patterns where it is set.
const OldAnnotation = "sidecar.istio.io/statsInclusionRegexps"

// Patterns are the names of statistics to be recorded so that nothing of Counts is unknown, as RE2 for whole names. Statistics of
// clusters have names of both forms: with ; after the cluster's name since Istio 1.23.
func Patterns() []string {
	return []string{
		`cluster\..*\.upstream_(cx_(total|active|connect_fail|tx_bytes_total|rx_bytes_total)|rq_total)`,
		`cluster\..*\.ssl\.fail_verify_.*`,
		`dns_cache\..*`,
	}
}

// Annotation is the value of ConfigAnnotation that has a proxy without one record what is counted.
func Annotation() string {
	text, err := Record("")
	if err != nil {
		panic("an annotation of our own: " + err.Error()) // what is encoded is a constant
	}
	return text
}

// Record gives the value of ConfigAnnotation that has the same proxy record what is counted, too. What is there already is kept. A
// value that records all of it comes back as it is; one that is no YAML mapping is an error.
func Record(now string) (string, error) {
	config := map[string]any{}
	if err := yaml.Unmarshal([]byte(now), &config); err != nil {
		return "", fmt.Errorf("annotation %s: %w", ConfigAnnotation, err)
	}
	if config == nil {
		config = map[string]any{}
	}
	matcher, ok := config["proxyStatsMatcher"].(map[string]any)
	if !ok && config["proxyStatsMatcher"] != nil {
		return "", errors.New("annotation " + ConfigAnnotation + ": proxyStatsMatcher is no mapping")
	}
	if matcher == nil {
		matcher = map[string]any{}
	}
	list, ok := matcher["inclusionRegexps"].([]any)
	if !ok && matcher["inclusionRegexps"] != nil {
		return "", errors.New("annotation " + ConfigAnnotation + ": proxyStatsMatcher.inclusionRegexps is no list")
	}
	had := len(list)
	for _, p := range Patterns() {
		if !slices.Contains(list, any(p)) {
			list = append(list, p)
		}
	}
	if len(list) == had {
		return now, nil
	}
	matcher["inclusionRegexps"] = list
	config["proxyStatsMatcher"] = matcher
	text, err := yaml.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("annotation %s: %w", ConfigAnnotation, err)
	}
	return string(text), nil
}
