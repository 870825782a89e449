package ready

import (
	"fmt"
	"time"
)

// pod is what of a pod tells whether and why it is not ready.
type pod struct {
	Metadata struct {
		Name              string     `json:"name"`
		CreationTimestamp time.Time  `json:"creationTimestamp"`
		DeletionTimestamp *time.Time `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Name  string `json:"name"`
			Image string `json:"image"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase  string `json:"phase"`
		PodIPs []struct {
			IP string `json:"ip"`
		} `json:"podIPs"`
		Conditions            []condition       `json:"conditions"`
		InitContainerStatuses []containerStatus `json:"initContainerStatuses"`
		ContainerStatuses     []containerStatus `json:"containerStatuses"`
	} `json:"status"`
}

type containerStatus struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	State struct {
		Waiting *struct {
			Reason  string `json:"reason"`
			Message string `json:"message"`
		} `json:"waiting"`
		Terminated *terminated `json:"terminated"`
		Running    *struct{}   `json:"running"`
	} `json:"state"`
	LastState struct {
		Terminated *terminated `json:"terminated"`
	} `json:"lastState"`
}

type terminated struct {
	ExitCode int    `json:"exitCode"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
}

func (p pod) condition(kind string) (condition, bool) {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c, true
		}
	}
	return condition{}, false
}

func (p pod) ready() bool {
	c, ok := p.condition("Ready")
	return ok && c.Status == "True" && p.Metadata.DeletionTimestamp == nil
}

// why says what keeps a pod from being ready. It is the cause if nothing else can tell more.
func (p pod) why() (words string, cause bool) {
	if p.Metadata.DeletionTimestamp != nil {
		return "it is being deleted", true
	}
	if c, ok := p.condition("PodScheduled"); ok && c.Status == "False" {
		return "no node takes it: " + c.Message, true
	}
	for _, list := range [][]containerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			if why := c.why(); why != "" {
				return "container " + c.Name + " " + why, true
			}
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running != nil && !c.Ready {
			return "container " + c.Name + " runs and is not ready", false
		}
	}
	return "it is " + p.Status.Phase, false
}

// why says what is wrong with a container; empty if it runs, is done or is about to start.
func (c containerStatus) why() string {
	last := c.LastState.Terminated
	switch w, t := c.State.Waiting, c.State.Terminated; {
	case w != nil && w.Reason == "CrashLoopBackOff" && last != nil:
		return "ends again and again: " + last.words()
	case w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing":
		if w.Message == "" {
			return "waits: " + w.Reason
		}
		return fmt.Sprintf("waits: %s: %s", w.Reason, w.Message)
	case t != nil && t.ExitCode != 0:
		return "ended: " + t.words()
	case last != nil && last.ExitCode != 0 && !c.Ready:
		return "ended before: " + last.words()
	}
	return ""
}

func (t terminated) words() string {
	words := fmt.Sprintf("exit code %d (%s)", t.ExitCode, t.Reason)
	if t.Message != "" {
		words += ": " + t.Message
	}
	return words
}
