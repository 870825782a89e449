package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/check"
)

// The Static Analysis Results Interchange Format, version 2.1.0 (OASIS), as far as it is written here.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri,omitempty"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID            string       `json:"id"`
		Name          string       `json:"name"`
		Short         sarifText    `json:"shortDescription"`
		Full          sarifText    `json:"fullDescription"`
		Help          sarifText    `json:"help"`
		HelpURI       string       `json:"helpUri,omitempty"`
		Configuration sarifDefault `json:"defaultConfiguration"`
	}
	sarifDefault struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		ExitCode      int                 `json:"exitCode"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Kind         string            `json:"kind"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
		Properties   sarifProperties   `json:"properties"`
	}
	sarifLocation struct {
		Logical []sarifLogical `json:"logicalLocations"`
	}
	sarifLogical struct {
		Name          string `json:"name"`
		QualifiedName string `json:"fullyQualifiedName"`
		Kind          string `json:"kind"`
	}
	sarifProperties struct {
		State    check.State `json:"state"`
		Hop      string      `json:"hop"`
		Path     string      `json:"path,omitempty"`
		Field    string      `json:"field,omitempty"`
		Evidence []string    `json:"evidence,omitempty"`
		Fix      string      `json:"fix,omitempty"`
	}
)

const (
	sarifSchema  = "https://json.schemastore.org/sarif-2.1.0.json"
	sarifVersion = "2.1.0"
)

// sarif gives the findings that are no passes, as code scanning reads them.
func sarif(r Report, o Options) sarifLog {
	run := sarifRun{
		Tool:        sarifTool{Driver: sarifDriver{Name: "kubectl-egress", Version: r.ToolVersion, InformationURI: o.Home, Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{{Successful: r.ExitCode != Unjudged, ExitCode: r.ExitCode}},
		Results:     []sarifResult{},
	}
	for _, n := range r.Notes {
		run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{"note", sarifText{n}})
	}
	var codes []check.Code
	for i := range r.Findings {
		if r.Findings[i].State != check.Pass {
			codes = append(codes, r.Findings[i].Code)
		}
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	for _, code := range codes {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule(code, o))
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.State != check.Pass {
			index, _ := slices.BinarySearch(codes, f.Code)
			run.Results = append(run.Results, result(f, index))
		}
	}
	return sarifLog{Schema: sarifSchema, Version: sarifVersion, Runs: []sarifRun{run}}
}

func rule(code check.Code, o Options) sarifRule {
	c, _ := check.Find(code)
	_, level := kindAndLevel(c.Severity)
	out := sarifRule{
		ID: string(code), Name: camel(c.Title), Short: sarifText{cmp.Or(c.Title, string(code))}, Full: sarifText{cmp.Or(c.Why, c.Title, string(code))},
		Help: sarifText{cmp.Or(c.Fix, c.Title, string(code))}, Configuration: sarifDefault{level},
	}
	if o.Home != "" {
		out.HelpURI = o.page(code)
	}
	return out
}

// page is the address of what there is to read about a check.
func (o Options) page(code check.Code) string {
	return o.Home + "/blob/main/docs/checks.md#" + strings.ToLower(string(code))
}

// camel makes the name of a rule of its title: VirtualServiceNotBoundToMesh.
func camel(title string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(title, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '\''
	}) {
		word = strings.ReplaceAll(word, "'", "")
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

func result(f *Finding, index int) sarifResult {
	kind, level := kindAndLevel(f.State)
	out := sarifResult{
		RuleID: string(f.Code), RuleIndex: index, Kind: kind, Level: level, Message: sarifText{f.says()}, Locations: []sarifLocation{},
		Fingerprints: map[string]string{"egress/v1": strings.Join([]string{string(f.Code), f.Path, f.object()}, "|")},
		Properties:   sarifProperties{State: f.State, Hop: string(f.Hop), Path: f.Path, Field: f.Object.Field, Evidence: f.Evidence, Fix: f.Fix},
	}
	switch o := f.Object; {
	case o.Kind != "":
		place := sarifLogical{Name: o.Name, QualifiedName: strings.Join([]string{o.Namespace, o.Kind, o.Name}, "/"), Kind: "resource"}
		out.Locations = []sarifLocation{{[]sarifLogical{place}}}
	case f.Path != "":
		out.Locations = []sarifLocation{{[]sarifLogical{{Name: f.Path, QualifiedName: f.Path, Kind: "resource"}}}}
	}
	return out
}

// kindAndLevel says a state in SARIF's words. Only what fails has a level: what could not be judged is open.
func kindAndLevel(s check.State) (kind, level string) {
	switch s {
	case check.Fail:
		return "fail", "error"
	case check.Warn:
		return "fail", "warning"
	case check.Unknown:
		return "open", "none"
	case check.Skip:
		return "informational", "none"
	}
	return "pass", "none"
}
